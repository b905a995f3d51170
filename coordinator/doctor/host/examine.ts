/** One host over SSH: the way in, what is there, and, where a node-agent is, what that says of itself. */
import { type Check, runChecks } from '../../../protocol/daemon/checks.ts';
import type { Finding } from '../../../protocol/finding.ts';
import type { SshHost } from '../../ssh/ssh.ts';
import type { HostContext } from './context.ts';
import { fallbackCheck } from './fallback.ts';
import { installedCheck } from './installed.ts';
import { nodeCheck } from './node.ts';
import { hostCheck, preflightCheck } from './preflight.ts';
import { sshCheck } from './ssh.ts';
import { unitCheck } from './unit.ts';

/** Each comes after those it needs. */
const HOST_CHECKS: readonly Check<HostContext>[] = [
  sshCheck,
  preflightCheck,
  hostCheck,
  installedCheck,
  unitCheck,
  nodeCheck,
  fallbackCheck,
];

export interface HostOptions {
  readonly host: SshHost;
  readonly installs: string;
  readonly nats_url?: string | undefined;
  readonly signal: AbortSignal;
  readonly onStart: (title: string) => void;
}

export interface ExaminedHost {
  readonly name: string;
  readonly findings: readonly Finding[];
  /** The node that is configured there, as far as that could be found out. */
  readonly node: string | undefined;
}

/** Never rejects. */
export async function examineHost({
  host,
  installs,
  nats_url,
  signal,
  onStart,
}: HostOptions): Promise<ExaminedHost> {
  const context: HostContext = { host, installs, nats_url, clock: () => performance.now(), learnt: {} };
  const findings = await runChecks(HOST_CHECKS, context, {
    signal,
    onStart: title => {
      onStart(`${host.name}: ${title}`);
    },
  });
  return { name: host.name, findings, node: context.learnt.node };
}
