/** `ccli node-agent check`: whether this host has what its node-agent needs. Changes nothing. */
import { WIRE_VERSION } from '../../protocol/codec.ts';
import { type Check, runChecks } from '../../protocol/daemon/checks.ts';
import { VERSION } from '../../protocol/daemon/version.ts';
import { type Finding, type NodeCheck, WORST_EXIT, worstOf } from '../../protocol/finding.ts';
import { agentsCheck } from './agents.ts';
import { configCheck } from './config.ts';
import type { CheckContext } from './context.ts';
import { diskCheck } from './disk.ts';
import { natsCheck } from './nats.ts';
import { nodeJsCheck } from './node-js.ts';
import { nvmCheck } from './nvm.ts';
import { stateCheck } from './state.ts';

export interface CheckOptions {
  /** Absolute; undefined when there is none. */
  readonly config_file: string | undefined;
  /** One JSON document (`NodeCheckSchema`) instead of lines for people. */
  readonly json: boolean;
  readonly stdout: NodeJS.WritableStream;
}

/** Each comes after those it needs. */
const CHECKS: readonly Check<CheckContext>[] = [
  configCheck,
  nodeJsCheck,
  stateCheck,
  diskCheck,
  nvmCheck,
  agentsCheck,
  natsCheck,
];

/** @returns the exit code: 0 when all is well, 9 when something is worth a look, 1 when something is broken */
export async function runCheck({ config_file, json, stdout }: CheckOptions): Promise<number> {
  const context: CheckContext = { config_file, config: undefined };
  const checks = await runChecks(CHECKS, context, { signal: new AbortController().signal });
  const worst = worstOf(checks);
  const document: NodeCheck = {
    v: WIRE_VERSION,
    version: VERSION,
    ...(context.config !== undefined && { node: context.config.node }),
    worst,
    checks,
  };
  await written(stdout, json ? `${JSON.stringify(document)}\n` : checks.map(line).join(''));
  return WORST_EXIT[worst];
}

const WIDTH = 8;

function line({ outcome, check, agent_id, says, mend }: Finding): string {
  const what = agent_id === undefined ? check : `${check} ${agent_id}`;
  const indent = ' '.repeat(WIDTH);
  const below = mend === undefined ? '' : `${indent}${mend}\n`;
  return `${outcome.padEnd(WIDTH)}${what}: ${says.replaceAll('\n', `\n${indent}`)}\n${below}`;
}

/** Whoever ends the process must not cut it short. */
async function written(stdout: NodeJS.WritableStream, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stdout.write(text, error => {
      if (error instanceof Error) reject(error);
      else resolve();
    });
  });
}
