/** Drivers for tests: a real configuration, a state directory that goes with the test, a log that can be read. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { CliAgentConfig } from '../../../node-agent/agent-config/cli.ts';
import { loadNodeConfig } from '../../../node-agent/config.ts';
import { createDriver, type Tuning } from '../../../node-agent/drivers/create.ts';
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

interface FixtureOptions extends Tuning {
  /** As in the configuration file; `id` and `agent_type` have defaults. */
  readonly agent?: Written;
  /** The daemon's environment. HOME is an empty directory unless named. */
  readonly environment?: Environment;
  readonly nvm_dir?: string;
  readonly max_output?: number;
}

export async function makeDriver(options: FixtureOptions = {}): Promise<Fixture> {
  const directory = await temporaryDirectory();
  const state_dir = join(directory, 'state');
  const environment = { PATH: process.env['PATH'], HOME: directory, ...options.environment };
  const agent = await readAgent(directory, options.agent ?? {}, environment);
  const events: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const {
    agent: _written,
    environment: _own,
    nvm_dir = join(directory, 'nvm'),
    max_output,
    ...tuning
  } = options;
  const given = { agent, config: { state_dir, nvm_dir, environment, max_output }, log: recorder(events) };
  const driver = createDriver(given, tuning);
  onTestFinished(() => driver.close());
  return { driver, state_dir, events };
}

export async function readAgent(
  directory: string,
  agent: Written,
  environment: Environment,
): Promise<CliAgentConfig> {
  const file = join(directory, 'node-agent.yaml');
  await writeFile(file, stringify({ agents: [{ id: 'one', agent_type: 'cli_gemini', ...agent }] }));
  const [read] = loadNodeConfig(file, environment).agents;
  if (read === undefined || read.agent_type === 'ollama')
    throw new Error('the configuration has no agent that is a CLI');
  return read;
}

function recorder(events: { event: string; fields: Readonly<Record<string, unknown>> }[]): Log {
  const note = (event: string, fields: Record<string, unknown> = {}): void => {
    events.push({ event, fields });
  };
  return { debug: note, info: note, warn: note, error: note, child: () => recorder(events) };
}

/** The warm processes that were started, in order. */
export const pids = ({ events }: Fixture): number[] =>
  events.filter(({ event }) => event === 'cli_started').map(({ fields }) => Number(fields['pid']));

/** Runs one prompt and gathers what came of it. */
export async function ask(
  driver: Driver,
  prompt: string,
  {
    signal = new AbortController().signal,
    onActivity = () => undefined,
    ...task
  }: Partial<DriverTask> & { signal?: AbortSignal; onActivity?: () => void } = {},
): Promise<DriverResult & { text: string; chunks: string[] }> {
  const chunks: string[] = [];
  const result = await driver.run(
    { task_id: 'task', attempt: 1, tool_policy: 'deny', ...task, prompt },
    { onChunk: chunk => chunks.push(chunk), onActivity },
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
