/** Options that several commands share, with what their values mean. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AGENT_TYPES, SPECIALTIES } from '../../protocol/agent.ts';
import { addressProblem } from '../../protocol/daemon/connect.ts';
import { CcliError } from '../../protocol/errors.ts';
import { MAX_DEADLINE_MS, MAX_TIMEOUT_MS } from '../../protocol/limits.ts';
import { parseDuration, parseSize } from '../../protocol/quantity.ts';
import { NAME_PATTERN, TASK_ID_PATTERN } from '../../protocol/subjects.ts';
import type { TaskOptions } from '../../protocol/task.ts';
import type { FleetFlags } from './discovery.ts';
import { parseChain } from './fallback-chain.ts';

export interface CommonFlags extends FleetFlags {
  readonly json?: true;
  readonly quiet?: true;
}

export interface PromptFlags extends CommonFlags {
  readonly agent?: string;
  readonly type?: (typeof AGENT_TYPES)[number];
  readonly specialty?: (typeof SPECIALTIES)[number];
  readonly model?: string;
  readonly timeout?: number;
  readonly priority?: number;
  readonly maxAttempts?: number;
  readonly maxWait?: number;
  readonly deadline?: number;
  readonly fallback?: string[];
  readonly session?: string;
  readonly gpuMemory?: number;
}

const parseDurationUpTo =
  (most_ms: number, most: string) =>
  (text: string): number => {
    const ms = parseDuration(text);
    if (ms === undefined || ms <= 0) throw new InvalidArgumentError('Write it like 300s, 5m or 1h.');
    if (ms > most_ms) throw new InvalidArgumentError(`${most} is the most.`);
    return ms;
  };

export const parseDurationFlag = parseDurationUpTo(MAX_TIMEOUT_MS, '24h');
const parseDeadline = parseDurationUpTo(MAX_DEADLINE_MS, '30d');

export const parseInteger =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`A whole number from ${min} to ${max} is needed.`);
  };

export function parseTaskId(text: string): string {
  if (TASK_ID_PATTERN.test(text)) return text;
  throw new InvalidArgumentError('A task id has letters, digits, "-" and "_", at most 64.');
}

function parseSessionId(text: string): string {
  if (TASK_ID_PATTERN.test(text)) return text;
  throw new InvalidArgumentError('A session id has letters, digits, "-" and "_", at most 64.');
}

function parseMemory(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new InvalidArgumentError('Write it like 20GiB or 512MiB.');
}

export function parseName(text: string): string {
  if (NAME_PATTERN.test(text)) return text;
  throw new InvalidArgumentError('Lower-case letters, digits, "-" and "_", at most 63.');
}

/** No commander error: that would repeat the value, which may hold a secret. */
function parseAddress(text: string): string {
  const problem = addressProblem(text);
  if (problem === undefined) return text;
  throw new CcliError('invalid_request', problem);
}

export const natsOption = (description: string): Option =>
  new Option('--nats <url>', description).argParser(parseAddress);

export const jsonOption = (): Option => new Option('--json', 'print JSON for programs');

/** Where the fleet is. */
export function withFleetPlace(command: Command): Command {
  return command
    .addOption(natsOption('the NATS server of the fleet').helpGroup('Fleet:'))
    .addOption(
      new Option('--prefix <name>', 'the prefix of its subjects (default: ccli)').helpGroup('Fleet:'),
    )
    .addOption(new Option('--state <dir>', 'use the fleet that `ccli up` runs there').helpGroup('Fleet:'));
}

/** Where the fleet is, and --json. */
export const withFleetOptions = (command: Command): Command =>
  withFleetPlace(command).addOption(jsonOption());

export const quietOption = (): Option => new Option('-q, --quiet', 'no progress on stderr');

export function withPromptOptions(command: Command): Command {
  const group = 'Which agent, and how:';
  const option = (flags: string, description: string): Option =>
    new Option(flags, description).helpGroup(group);
  return command
    .addOption(option('--agent <agent-id>', 'this agent').argParser(parseName))
    .addOption(option('--type <type>', 'any agent of this type').choices(AGENT_TYPES))
    .addOption(option('--specialty <specialty>', 'any agent with this specialty').choices(SPECIALTIES))
    .addOption(option('--model <model>', 'a model other than the one the agent uses by itself'))
    .addOption(
      option('--gpu-memory <size>', 'an agent whose GPUs have that much memory in all, like 20GiB').argParser(
        parseMemory,
      ),
    )
    .addOption(
      option(
        '--fallback <chain>',
        'agents or types, like "walnut-gemini -> cli_qwen -> ollama": each stands in while those before it cool down, are lost or keep failing',
      ).argParser(parseChain),
    )
    .addOption(
      option('--session <id>', 'go on with a conversation: earlier prompts and answers are known').argParser(
        parseSessionId,
      ),
    )
    .addOption(
      option('--timeout <duration>', 'longest one attempt may take, like 300s').argParser(parseDurationFlag),
    )
    .addOption(
      option('--max-wait <duration>', 'longest to wait for a free slot, like 60s').argParser(
        parseDurationFlag,
      ),
    )
    .addOption(
      option(
        '--deadline <duration>',
        'longest until the task has ended, whatever happens, like 1h',
      ).argParser(parseDeadline),
    )
    .addOption(option('--max-attempts <n>', '1 when a repeat would do harm').argParser(parseInteger(1, 100)))
    .addOption(
      option('--priority <n>', 'larger goes first, from -100 to 100').argParser(parseInteger(-100, 100)),
    );
}

export function taskOptions(flags: PromptFlags): TaskOptions {
  return {
    ...(flags.agent !== undefined && { agent_id: flags.agent }),
    ...(flags.type !== undefined && { agent_type: flags.type }),
    ...(flags.specialty !== undefined && { specialty: flags.specialty }),
    ...(flags.model !== undefined && { model: flags.model }),
    ...(flags.timeout !== undefined && { timeout_ms: flags.timeout }),
    ...(flags.maxWait !== undefined && { max_queue_ms: flags.maxWait }),
    ...(flags.deadline !== undefined && { deadline_ms: flags.deadline }),
    ...(flags.maxAttempts !== undefined && { max_attempts: flags.maxAttempts }),
    ...(flags.priority !== undefined && { priority: flags.priority }),
    ...(flags.fallback !== undefined && { fallback: flags.fallback }),
    ...(flags.session !== undefined && { session_id: flags.session }),
    ...(flags.gpuMemory !== undefined && { min_gpu_memory_bytes: flags.gpuMemory }),
  };
}
