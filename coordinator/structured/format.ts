/** What JSON an answer is to be, and how a model is asked for it. */
import type { Format } from '../../protocol/conversation.ts';
import type { CheckThread } from './check-thread.ts';
import { extractJson } from './extract.ts';
import { createValidator } from './validator.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface JsonFormat {
  /** As agents take it that can hold their model to it. */
  readonly format: Format;
  /** For all others, and for the model itself. */
  readonly instructions: string;
  /** The JSON in an answer, or what is wrong with it. @throws CcliError when it cannot be checked */
  check(answer: string): Promise<Checked>;
}

export type Checked =
  | { readonly ok: true; readonly text: string }
  /** A sentence each. */
  | { readonly ok: false; readonly wrong: readonly string[] };

const ONLY_JSON =
  'Answer with one JSON value alone: no words before or after it, no Markdown, no code fence, no comments.';

/** Any JSON object. */
export const anyObject: JsonFormat = {
  format: 'json',
  instructions: `${ONLY_JSON} It must be a JSON object.`,
  check: answer => {
    const found = extractJson(answer);
    if (!found.ok) return Promise.resolve(notJson(found.why));
    return Promise.resolve(
      isObject(found.value)
        ? { ok: true, text: found.text }
        : { ok: false, wrong: ['It is JSON, but not an object.'] },
    );
  },
};

/** @throws CcliError `invalid_request` when it is no JSON Schema of draft 2020-12; as `CheckThread.check` */
export async function ofSchema(
  schema: JsonSchema,
  thread: Pick<CheckThread, 'check'>,
  about: { name?: string; description?: string } = {},
): Promise<JsonFormat> {
  const validate = await createValidator(schema, thread);
  const { name, description } = about;
  const called = name === undefined ? '' : ` "${name}"`;
  const meant = description === undefined ? '' : ` (${description})`;
  return {
    format: { ...schema },
    instructions: `${ONLY_JSON} It must be valid against this JSON Schema${called}${meant}:\n${JSON.stringify(schema)}`,
    async check(answer) {
      const found = extractJson(answer);
      if (!found.ok) return notJson(found.why);
      const wrong = await validate(found.text);
      return wrong.length === 0 ? { ok: true, text: found.text } : { ok: false, wrong };
    },
  };
}

const notJson = (why: string): Checked => ({ ok: false, wrong: [`It is not JSON: ${why}.`] });

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
