/** The JSON that `response_format` or `text.format` asks for. */
import { z } from 'zod';
import { CcliError } from '../../../protocol/errors.ts';
import type { CheckThread } from '../../structured/check-thread.ts';
import { anyObject, type JsonFormat, ofSchema } from '../../structured/format.ts';
import { ParameterError } from './parameter-error.ts';

/** A JSON Schema with its name; `strict` makes no difference, since every answer is checked. */
export const NamedSchemaSchema = z.strictObject({
  name: z.string().min(1).max(64),
  description: z.string().max(4_000).nullish(),
  schema: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});
type NamedSchema = Pick<z.infer<typeof NamedSchemaSchema>, 'name' | 'description' | 'schema'>;

/** Any JSON object, unless a schema is named. */
export interface JsonWish {
  readonly named?: NamedSchema;
  /** Where it stands. */
  readonly param: string;
}

/** @throws ParameterError `invalid_request` when the schema is none; as `CheckThread.check` */
export async function jsonFormat({ named, param }: JsonWish, thread: CheckThread): Promise<JsonFormat> {
  const { name, description, schema } = named ?? {};
  if (schema === null || schema === undefined) return anyObject;
  const about = {
    ...(name !== undefined && { name }),
    ...(typeof description === 'string' && { description }),
  };
  const format = await blaming(param, ofSchema(schema, thread, about));
  return { ...format, check: answer => blaming(param, format.check(answer)) };
}

/** @throws ParameterError when the schema is at fault */
async function blaming<T>(param: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof CcliError) || error.code !== 'invalid_request') throw error;
    throw new ParameterError(error.code, param, error.message);
  }
}
