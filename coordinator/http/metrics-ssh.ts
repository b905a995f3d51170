/** The SSH connections to hosts, read when Prometheus asks. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { SshCounts } from '../ssh/ssh.ts';

export function sshMetrics(hosts: readonly SshCounts[]): Registry {
  const registry = new Registry();
  const registers = [registry];
  const family = (name: string, help: string, read: (counts: SshCounts) => number): void => {
    const metric = new Gauge({ name, help, labelNames: ['host'], registers });
    for (const counts of hosts) metric.set({ host: counts.host }, read(counts));
  };
  const total = (name: string, help: string, read: (counts: SshCounts) => number): void => {
    const metric = new Counter({ name, help, labelNames: ['host'], registers });
    for (const counts of hosts) metric.inc({ host: counts.host }, read(counts));
  };
  // A coordinator without SSH says nothing about it.
  if (hosts.length === 0) return registry;
  family('ccli_ssh_connections', 'Connections that are open', counts => counts.connections);
  family('ccli_ssh_sessions_in_use', 'Sessions on them', counts => counts.sessions_in_use);
  family('ccli_ssh_sessions_waiting', 'Sessions that wait for room', counts => counts.sessions_waiting);
  total('ccli_ssh_handshakes_total', 'Connections that were signed in', counts => counts.handshakes);
  total('ccli_ssh_failures_total', 'Connections that failed or broke off', counts => counts.failures);
  family(
    'ccli_ssh_circuit_open',
    'Whether the host failed so often that it is left alone for a while',
    counts => (counts.circuit_open ? 1 : 0),
  );
  return registry;
}
