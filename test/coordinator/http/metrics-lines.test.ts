import { expect, test } from 'vitest';
import { lineMetrics } from '../../../coordinator/http/metrics-lines.ts';
import { sshMetrics } from '../../../coordinator/http/metrics-ssh.ts';

test('each line and each host has its gauges', async () => {
  const lines = [{ node: 'walnut', open: true, opened: 3, lost: 2, malformed: 1 }];
  const text = await lineMetrics({ lines, reports: 7, ssh: [] }).metrics();
  expect(text).toContain('ccli_line_open{node="walnut"} 1');
  expect(text).toContain('ccli_line_opened{node="walnut"} 3');
  expect(text).toContain('ccli_line_lost{node="walnut"} 2');
  expect(text).toContain('ccli_line_malformed{node="walnut"} 1');
  expect(text).toContain('ccli_line_reports 7');
  const counts = { connections: 1, sessions_in_use: 2, sessions_waiting: 0, handshakes: 4, failures: 3 };
  const ssh = await sshMetrics([{ host: 'walnut', ...counts, circuit_open: true }]).metrics();
  expect(ssh).toContain('ccli_ssh_sessions_in_use{host="walnut"} 2');
  expect(ssh).toContain('ccli_ssh_handshakes_total{host="walnut"} 4');
  expect(ssh).toContain('ccli_ssh_failures_total{host="walnut"} 3');
  expect(ssh).toContain('ccli_ssh_circuit_open{host="walnut"} 1');
});

test('without SSH there are none', async () => {
  expect(await lineMetrics({ lines: [], reports: 0, ssh: [] }).metrics()).not.toContain('ccli_');
  expect(await sshMetrics([]).metrics()).not.toContain('ccli_');
});
