/** The fleet that `ccli up` starts passes its own doctor, and so does a host that `ccli bootstrap` has set up. */
import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';
import { DoctorReportSchema } from '../../coordinator/doctor/report.ts';
import { askDoctor } from '../coordinator/doctor/support/ask-doctor.ts';
import { bareHost } from '../support/bare-host.ts';
import { built } from '../support/built.ts';
import { plainEnvironment } from '../support/plain-environment.ts';
import { findSshd } from '../support/sshd.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTerminal } from '../support/terminal.ts';

const ccli = built('coordinator/cli/main.ts');
const environment = { ...plainEnvironment(), CCLI_HTTP_PORT: '0' };

const doctor = (args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [ccli, 'doctor', ...args],
      { env: environment },
      (_e, out, err) => {
        resolve({ code: child.exitCode ?? -1, out, err });
      },
    );
    child.stdin?.end();
  });

test('the embedded fleet with the demo model is well: every line ok, exit code 0', async () => {
  const state = await temporaryDirectory();
  const terminal = openTerminal(process.execPath, [ccli, 'up', '--state', state], environment);
  await terminal.shows('ccli run');
  const { code, out, err } = await doctor(['--state', state, '--json']);
  const report = DoctorReportSchema.parse(JSON.parse(out));
  expect(report.checks.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  expect(report.checks.map(({ check }) => check)).toEqual(
    expect.arrayContaining(['durability', 'prompt', 'concurrency']),
  );
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const shown = openTerminal(process.execPath, [ccli, 'doctor', '--state', state], environment);
  expect(await shown.ended).toBe(0);
  expect(shown.screen()).toContain('from here');
  expect(shown.screen()).toMatch(/\d+ ok/);
  terminal.press('\u0003');
  expect(await terminal.ended).toBe(0);
});

test('a host that was just bootstrapped is well, but for what its machine cannot do', async ({ skip }) => {
  if ((await findSshd()) === undefined) skip('needs sshd: the host is one');
  const host = await bareHost();
  const set_up = await host.bootstrap('--gemini-api-key-file', host.key_file);
  expect(set_up.code, set_up.err).toBe(0);
  const report = await askDoctor('walnut', '--ssh-config', host.sshd.config_file, '--nats', host.nats.url);
  const rest = report.checks.filter(({ outcome }) => outcome !== 'ok');
  // No systemd serves this host, and nobody can read how its NATS server syncs.
  expect(rest.map(({ check, outcome }) => [check, outcome])).toEqual([
    ['durability', 'warn'],
    ['unit', 'warn'],
  ]);
  expect(report.of('fallback')[0]?.says).toContain('its daemon says hello as walnut');
  expect(report.of('agent').length).toBe(2);
  expect(report.of('prompt')).toMatchObject([{ host: 'walnut', agent_id: 'walnut-gemini', outcome: 'ok' }]);
  expect(report.exit).toBe(9);
});
