/** What goes wrong on the way to a host, as errors that name the host and the step. */
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';

export const STAGES = {
  connect: 'to open the TCP connection',
  handshake: 'to answer as an SSH server',
  auth: 'to sign in',
  channel: 'to open a session',
  agent: 'to get an answer of the SSH agent',
} as const;
export type Stage = keyof typeof STAGES;

export const seconds = (ms: number): string => `${Number((ms / 1_000).toFixed(1))} s`;

const HINTS: Readonly<Record<Stage, string>> = {
  connect: 'it is asleep or a firewall drops the packets; check that it is awake, and its name and port',
  handshake: 'the machine takes connections and says nothing; it may be asleep or overloaded',
  auth: 'look at the log of sshd there; a slow DNS or PAM holds it up',
  channel: 'it may be overloaded',
  agent: 'is it locked or waiting for a confirmation?',
};

export const stageTimeout = (host: string, stage: Stage, ms: number): CcliError =>
  new CcliError('ssh_timeout', `${host} took more than ${seconds(ms)} ${STAGES[stage]}: ${HINTS[stage]}.`);

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens on that port; check the port, and that sshd runs there',
  EHOSTUNREACH: 'there is no way to it; check that it is awake, and the network',
  ENETUNREACH: 'there is no way to its network; check the network here',
  ENOTFOUND: 'its name is not known; check the name, or give it a HostName in your SSH configuration',
  EAI_AGAIN: 'its name could not be looked up; check the DNS here',
  ECONNRESET: 'it broke the connection off; sshd may be overloaded or keep this address out',
  ETIMEDOUT: 'it does not answer; check that it is awake',
};

export function unreachable(host: string, address: string, cause: unknown, known?: string): CcliError {
  const why =
    known ?? REASONS[codeOf(cause) ?? ''] ?? 'check that it is awake, and its name, port and network';
  return new CcliError('ssh_unreachable', `${host} (${address}) cannot be reached over SSH: ${why}.`, {
    cause,
  });
}

export const connectionLost = (host: string, cause?: unknown): CcliError =>
  new CcliError(
    'ssh_connection_lost',
    `The SSH connection to ${host} broke off${cause instanceof Error ? ` (${cause.message})` : ''}; the next use opens another one.`,
    { cause },
  );

export const isCcliError = (error: unknown, ...codes: readonly ErrorCode[]): error is CcliError =>
  error instanceof CcliError && (codes.length === 0 || codes.includes(error.code));

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What an aborted signal says, as an error. */
export const reasonOf = (signal: AbortSignal): Error =>
  signal.reason instanceof Error
    ? signal.reason
    : new CcliError('cancelled', 'It was stopped before it was done.', { cause: signal.reason });
