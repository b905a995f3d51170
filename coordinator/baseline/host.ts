/** The series of a host over SSH alone: no fleet is needed, and none is in the way. */
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import type { SshHost } from '../ssh/ssh.ts';
import type { Found } from './agent.ts';
import type { Series, SeriesKind } from './baseline.ts';
import { digest } from './digest.ts';
import { measure, type Sample } from './measure.ts';

/** The CLI as it is run on the host. */
export interface HostCli {
  /** Without a prompt, which goes to its stdin. */
  readonly argv: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
}

export interface HostOptions {
  readonly host: SshHost;
  /** Undefined where the host has none that can be run. */
  readonly cli: HostCli | undefined;
  readonly runs: number;
  readonly prompt: string;
  readonly model?: string | undefined;
  readonly signal: AbortSignal;
  readonly onRun: (kind: SeriesKind, done: number) => void;
}

const COMMAND_TIMEOUT_MS = 30_000;
const CLI_TIMEOUT_MS = 300_000;

/** @throws CcliError when even the first command cannot be run there; whatever `signal` was aborted with */
export async function measureHost(options: HostOptions): Promise<Found> {
  const { host, cli, signal } = options;
  const target = await host.target();
  const way = { jumps: String(target.jumps.length) };
  const series: Series[] = [];
  let error: CcliError | undefined;
  const take = async (
    kind: SeriesKind,
    sample: (signal: AbortSignal) => Promise<Sample>,
    about: Pick<Series, 'conditions' | 'versions'>,
  ): Promise<void> => {
    options.onRun(kind, 0);
    const { error: failed, ...figures } = await measure({
      ...{ runs: options.runs, at_a_time: 1, signal, sample },
      onRun: done => {
        options.onRun(kind, done);
      },
    });
    error = failed ?? error;
    series.push({ subject: host.name, kind, ...figures, ...about });
  };

  await take('ssh_connect', until => connect(host, until), { conditions: way, versions: {} });
  // The first one opens the connection that the others find.
  await command(host, signal);
  await take('ssh_command', until => command(host, until), { conditions: way, versions: {} });
  if (cli !== undefined)
    await take('ssh_cli', until => runCli(options, cli, until), {
      conditions: { ...way, prompt: digest(options.prompt), model: options.model ?? 'its own' },
      versions: { ...cli.versions },
    });
  return { series, notes: [], error };
}

async function connect(host: SshHost, signal: AbortSignal): Promise<Sample> {
  const { connect_ms, handshake_ms, auth_ms } = await host.probe(signal);
  return { whole_ms: connect_ms + handshake_ms + auth_ms };
}

async function command(host: SshHost, signal: AbortSignal): Promise<Sample> {
  const began = performance.now();
  const { code, stderr } = await host.run({ argv: ['true'] }, { signal, timeout_ms: COMMAND_TIMEOUT_MS });
  const whole_ms = performance.now() - began;
  if (code === 0) return { whole_ms };
  throw new CcliError('remote_command_failed', `The host could not run \`true\`: ${lastLine(stderr)}`);
}

async function runCli(
  { host, prompt, model }: HostOptions,
  cli: HostCli,
  signal: AbortSignal,
): Promise<Sample> {
  const argv = [...cli.argv, ...(model === undefined ? [] : ['--model', model])];
  const began = performance.now();
  const { code, stdout, stderr } = await host.run(
    { argv, stdin: prompt },
    { signal, timeout_ms: CLI_TIMEOUT_MS },
  );
  const whole_ms = performance.now() - began;
  if (code === 0 && answered(stdout)) return { whole_ms };
  throw new CcliError(
    failureOf(code, stdout),
    `The CLI on ${host.name} ended with ${code ?? 'a signal'}: ${lastLine(stderr)}`,
  );
}

/** Exit 0 is not yet an answer: gemini also ends so when its stream broke off. */
function answered(stdout: string): boolean {
  try {
    const printed: unknown = JSON.parse(stdout);
    return (
      typeof printed === 'object' &&
      printed !== null &&
      'response' in printed &&
      typeof printed.response === 'string' &&
      printed.response !== '' &&
      !('error' in printed && printed.error !== undefined && printed.error !== null)
    );
  } catch {
    // Not the JSON that was asked for.
    return false;
  }
}

/** An HTTP status leaves gemini as the low byte of its exit code. */
const EXIT_CODES: ReadonlyMap<number | undefined, ErrorCode> = new Map([
  [41, 'cli_not_signed_in'],
  [127, 'cli_missing'],
  [400 & 255, 'auth_refused'],
  [401 & 255, 'auth_refused'],
  [403 & 255, 'auth_refused'],
  [429 & 255, 'rate_limited'],
  [500 & 255, 'model_unavailable'],
  [503 & 255, 'model_unavailable'],
]);

const failureOf = (code: number | undefined, stdout: string): ErrorCode =>
  EXIT_CODES.get(code) ?? (code === 0 && stdout.trim() !== '' ? 'empty_reply' : 'cli_crashed');

const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
