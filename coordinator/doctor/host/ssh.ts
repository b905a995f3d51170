/** Whether the host lets us in, how long that takes, and whether it is the one that we know. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';
import { failure, ok, type Verdict } from '../../../protocol/finding.ts';
import type { SshTarget, SshTimings } from '../../ssh/ssh.ts';
import type { HostContext } from './context.ts';

const HOST_KEY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ssh_host_key_unknown',
  'ssh_host_key_changed',
  'ssh_host_key_revoked',
]);

export const sshCheck: Check<HostContext> = {
  id: 'ssh',
  title: 'SSH',
  limit_ms: 30_000,
  late: 'ssh_timeout',
  async run({ host, clock }, signal) {
    try {
      const began = clock();
      const target = await host.target();
      const resolve_ms = clock() - began;
      return judgeSsh(target, await host.probe(signal), resolve_ms);
    } catch (error) {
      signal.throwIfAborted();
      const strange = error instanceof CcliError && HOST_KEY.has(error.code);
      return [failure(error, { check: strange ? 'host_key' : 'ssh' })];
    }
  },
};

export function judgeSsh(target: SshTarget, timings: SshTimings, resolve_ms: number): readonly Verdict[] {
  const { connect_ms, handshake_ms, auth_ms, host_key } = timings;
  const stages = [
    ['resolve', resolve_ms],
    ['connect', connect_ms],
    ['handshake', handshake_ms],
    ['auth', auth_ms],
  ] as const;
  const told = stages.map(([stage, ms]) => `${stage} ${Math.round(ms)} ms`).join(', ');
  const over = target.jumps.length === 0 ? '' : ` over ${target.jumps.join(', ')}`;
  const took_ms = stages.reduce((sum, [, ms]) => sum + ms, 0);
  return [
    ok(`${target.user}@${target.hostname}:${target.port}${over} lets us in: ${told}.`, { took_ms }),
    ok(`Its key is the one in known_hosts: ${host_key}.`, { check: 'host_key' }),
  ];
}
