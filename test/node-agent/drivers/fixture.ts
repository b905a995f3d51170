/** Drivers for tests: a real configuration, a state directory that goes with the test, a log that can be read. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { type AgentConfig, loadNodeConfig } from '../../../node-agent/config.ts';
import { createAcpDriver } from '../../../node-agent/drivers/acp/driver.ts';
import { createDriver } from '../../../node-agent/drivers/create.ts';
import type { Driver, DriverResult, DriverTask } from '../../../node-agent/drivers/driver.ts';
import type { Log } from '../../../protocol/daemon/log.ts';
import type { Environment } from '../../../protocol/daemon/settings.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

type Written = Readonly<Record<string, unknown>>;

export interface Fixture {
  readonly driver: Driver;
  readonly state_dir: string;
  /** Events the driver has logged, oldest first. */
  readonly events: readonly { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
}

interface FixtureOptions {
  /** As in the configuration file; `id` and `agent_type` have defaults. */
  readonly agent?: Written;
  /** The daemon's environment. HOME is an empty directory unless named. */
  readonly environment?: Environment;
  readonly nvm_dir?: string;
  readonly initialize_timeout_ms?: number;
  readonly cancel_grace_ms?: number;
}

export async function makeDriver(options: FixtureOptions = {}): Promise<Fixture> {
  const directory = await temporaryDirectory();
  const state_dir = join(directory, 'state');
  const environment = { PATH: process.env['PATH'], HOME: directory, ...options.environment };
  const agent = await readAgent(directory, options.agent ?? {}, environment);
  const events: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const { initialize_timeout_ms, cancel_grace_ms, nvm_dir = join(directory, 'nvm') } = options;
  const given = { agent, config: { state_dir, nvm_dir, environment }, log: recorder(events) };
  const driver =
    initialize_timeout_ms === undefined && cancel_grace_ms === undefined
      ? createDriver(given)
      : createAcpDriver({
          ...given,
          ...(initialize_timeout_ms !== undefined && { initialize_timeout_ms }),
          ...(cancel_grace_ms !== undefined && { cancel_grace_ms }),
        });
  onTestFinished(() => driver.close());
  return { driver, state_dir, events };
}

export async function readAgent(
  directory: string,
  agent: Written,
  environment: Environment,
): Promise<AgentConfig> {
  const file = join(directory, 'node-agent.yaml');
  await writeFile(file, stringify({ agents: [{ id: 'one', agent_type: 'cli_gemini', ...agent }] }));
  const [read] = loadNodeConfig(file, environment).agents;
  if (read === undefined) throw new Error('the configuration has no agent');
  return read;
}

function recorder(events: { event: string; fields: Readonly<Record<string, unknown>> }[]): Log {
  const note = (event: string, fields: Record<string, unknown> = {}): void => {
    events.push({ event, fields });
  };
  return { debug: note, info: note, warn: note, error: note, child: () => recorder(events) };
}

/** Runs one prompt and gathers what came of it. */
export async function ask(
  driver: Driver,
  prompt: string,
  { signal = new AbortController().signal, ...task }: Partial<DriverTask> & { signal?: AbortSignal } = {},
): Promise<DriverResult & { text: string; chunks: string[] }> {
  const chunks: string[] = [];
  const result = await driver.run(
    { task_id: 'task', attempt: 1, tool_policy: 'deny', ...task, prompt },
    { onChunk: chunk => chunks.push(chunk) },
    signal,
  );
  return { ...result, text: chunks.join(''), chunks };
}

/** The typed error that something fails with; any other outcome fails the test. */
export async function failure(work: Promise<unknown>): Promise<CcliError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CcliError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}
