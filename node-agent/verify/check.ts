/** What one check of the compatibility suite works with, and what it finds. */
import type { VerifyReply } from '../../protocol/control.ts';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import type { AgentConfig } from '../agent-config/agent.ts';
import type { BriefEnd, BriefRun } from '../briefly.ts';

export interface Subject {
  readonly agent: AgentConfig;
  /** A prompt through the driver that is being verified. Never rejects. */
  readonly run: (prompt: string, over?: Pick<BriefRun, 'model' | 'interrupt'>) => Promise<BriefEnd>;
}

export interface Finding {
  readonly outcome: VerifyReply['checks'][number]['outcome'];
  readonly detail: string;
  readonly error?: CcliError;
}

export type Check = (subject: Subject) => Promise<Finding>;

export const passed = (detail: string): Finding => ({ outcome: 'passed', detail });
export const skipped = (detail: string): Finding => ({ outcome: 'skipped', detail });

/** A failure of the run itself. */
export const failedWith = (error: CcliError): Finding => ({
  outcome: 'failed',
  detail: error.message,
  error,
});

/** The run went well, and what came of it is not as it should be. */
export const failedAs = (code: ErrorCode, detail: string): Finding => ({
  outcome: 'failed',
  detail,
  error: new CcliError(code, detail),
});

/** What came, for people to read. */
export function quoted(text: string): string {
  const LONGEST = 300;
  const shown = text.trim();
  return JSON.stringify(shown.length > LONGEST ? `${shown.slice(0, LONGEST)}…` : shown);
}
