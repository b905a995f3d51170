/** What a check of the doctor has found: from the fleet, and from `ccli node-agent check --json` on a node. */
import { z } from 'zod';
import { NameSchema } from './agent.ts';
import { ERRORS, type ErrorCode, ErrorCodeSchema, toErrorBody } from './errors.ts';

/** From the best to the worst. `skipped`: not looked at, and `says` tells why. */
export const OUTCOMES = ['ok', 'skipped', 'warn', 'fail'] as const;
export type Outcome = (typeof OUTCOMES)[number];

const MAX_TEXT_CHARS = 4_000;

export const FindingSchema = z.object({
  /** Which check: `nats`, `disk`, `unit`, … */
  check: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/),
  /** The agent it is about. */
  agent_id: NameSchema.optional(),
  outcome: z.enum(OUTCOMES),
  /** What it means, in a sentence. */
  says: z.string().max(MAX_TEXT_CHARS),
  /** How to mend it; there with every `warn` and `fail`. */
  mend: z.string().max(MAX_TEXT_CHARS).optional(),
  code: ErrorCodeSchema.catch('internal').optional(),
  /** Where the time that something took matters. */
  took_ms: z.number().nonnegative().optional(),
});
export type Finding = z.infer<typeof FindingSchema>;

export const WorstSchema = z.enum(['ok', 'warn', 'fail']);
export type Worst = z.infer<typeof WorstSchema>;

/** The document that `ccli node-agent check --json` prints. */
export const NodeCheckSchema = z.object({
  v: z.int().positive(),
  version: z.string().max(64),
  /** Absent when the configuration could not be read. */
  node: NameSchema.optional(),
  worst: WorstSchema,
  checks: z.array(FindingSchema).max(10_000),
});
export type NodeCheck = z.infer<typeof NodeCheckSchema>;

/** A finding before it is known which check found it. */
export type Verdict = Omit<Finding, 'check'> & { readonly check?: string };

type Extra = Partial<Pick<Finding, 'agent_id' | 'code' | 'took_ms'>> & { readonly check?: string };

const clip = (text: string): string =>
  text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS - 1)}…` : text;

export const ok = (says: string, extra: Extra = {}): Verdict => ({
  outcome: 'ok',
  says: clip(says),
  ...extra,
});
export const skipped = (says: string, extra: Extra = {}): Verdict => ({
  outcome: 'skipped',
  says: clip(says),
  ...extra,
});
export const warn = (says: string, mend: string, extra: Extra = {}): Verdict => ({
  outcome: 'warn',
  says: clip(says),
  mend: clip(mend),
  ...extra,
});
export const fail = (says: string, mend: string, extra: Extra = {}): Verdict => ({
  outcome: 'fail',
  says: clip(says),
  mend: clip(mend),
  ...extra,
});

/** Whatever was thrown, as a failure that says what to do about it. */
export function failure(error: unknown, extra: Extra = {}): Verdict {
  const { code, message, cause } = toErrorBody(error);
  const [meaning, advice] = rowOf(code);
  const said = message === ERRORS[code].says ? meaning : message;
  const why = cause === undefined || said.includes(cause) ? said : `${said} (${cause})`;
  return fail(why, advice, { code, ...extra });
}

/** The two halves of a row's sentence: what it means, and what to do. */
export function rowOf(code: ErrorCode): readonly [meaning: string, advice: string] {
  const { says } = ERRORS[code];
  const at = says.lastIndexOf('; ');
  if (at === -1) return [says, says];
  const advice = says.slice(at + 2);
  return [`${says.slice(0, at)}.`, `${advice.charAt(0).toUpperCase()}${advice.slice(1)}`];
}

export function worstOf(findings: readonly Pick<Finding, 'outcome'>[]): Worst {
  if (findings.some(({ outcome }) => outcome === 'fail')) return 'fail';
  return findings.some(({ outcome }) => outcome === 'warn') ? 'warn' : 'ok';
}

/** Exit codes of whoever prints findings: see `EXIT_MEANINGS`. */
export const WORST_EXIT = { ok: 0, warn: 9, fail: 1 } as const satisfies Record<Worst, number>;
