import { expect, test } from 'vitest';
import { runCli } from '../../coordinator/cli/run-cli.ts';
import { ccli, fakeIo } from '../coordinator/cli/support/fake-io.ts';
import { mixedFleet, requirements } from '../support/part-agents.ts';
import { waitFor } from '../support/wait.ts';

test('ccli coordinate shows its plan, asks, and prints every answer', async () => {
  const fleet = await mixedFleet();
  const { code, out, err } = await ccli(['coordinate', '--nats', fleet.nats.url, requirements()]);
  expect(code).toBe(0);
  expect(out).toMatch(
    /^## walnut-kernel \(cli_codex, implementation, [\d.]+ m?s\)\n\nanswer of walnut-kernel\n\n## walnut-tester .*\n\n.*\n\n## walnut-general .*\n\nanswer of walnut-general\n$/,
  );
  expect(err).toContain('the requirements speak of cuda, kernel');
  for (const id of ['walnut-kernel', 'walnut-tester', 'walnut-general'])
    expect(err).toContain(`${id} has answered`);
});

test('an answer of several megabytes reaches stdout whole', async () => {
  const fleet = await mixedFleet();
  const judge = { say: 'żółw 🐢 ', repeat: 200_000 };
  const argv = ['coordinate', '--nats', fleet.nats.url, '--strategy', 'synthesize', requirements({ judge })];
  const { code, out } = await ccli([...argv, '--agents', 'walnut-kernel,walnut-tester']);
  expect(code).toBe(0);
  expect(out).toBe(judge.say.repeat(judge.repeat));
});

test('Ctrl-C ends every part, and their processes', async () => {
  const fleet = await mixedFleet();
  const hang = { hang: true };
  const prompt = requirements({ 'walnut-kernel': hang, 'walnut-tester': hang, 'walnut-general': hang });
  const run = fakeIo();
  const ended = runCli(['coordinate', '--nats', fleet.nats.url, '--id', 'stopped', prompt], run.io);
  await waitFor(async () => {
    const { tasks } = await fleet.call('list', { group: 'stopped', status: 'running' });
    return tasks.length === 3;
  });
  run.interrupt();
  expect(await ended).toBe(130);
  const { tasks } = await fleet.call('list', { group: 'stopped' });
  expect(tasks.map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  await waitFor(async () => (await fleet.call('agents', {})).agents.every(({ running }) => running === 0));
  expect(run.err()).toContain('error cancelled: All 3 agents asked have given no answer');
});
