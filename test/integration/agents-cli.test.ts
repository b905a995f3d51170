/** The commands of the registry and of a mixed fleet, against a real coordinator, a real node and two Ollama servers. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ccli } from '../coordinator/cli/support/fake-io.ts';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { ollamaStub } from '../support/ollama-stub.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

/** A node with one CLI agent, which may reach both servers; in its fleet only registered agents work. */
async function mixedFleet() {
  const ash = await ollamaStub({ models: ['llama3:latest', 'qwen3:8b'] });
  const oak = await ollamaStub({ models: ['phi4:14b'] });
  const fleet = await testFleet({ discovered: 'deny' });
  await fleet.startNode({
    agents: [scriptedAgent('walnut-tool')],
    settings: { permit: { ollama: { endpoints: [ash.url, oak.url] } } },
  });
  await waitFor(async () => (await fleet.call('agents', {})).agents.some(({ health }) => health === 'ready'));
  const at = ['--nats', fleet.nats.url];
  const run = (...args: string[]) => ccli([...args, ...at]);
  return { ...fleet, ash, oak, run };
}

test('an agent works from its registration to its removal, and not while it is disabled', async () => {
  const { run } = await mixedFleet();
  const idle = await run('agents');
  expect(idle.out).toMatch(/^walnut-tool +cli_generic +walnut +not registered/m);
  expect(idle.out).toContain('ccli agents register walnut-tool --node walnut');
  // A person may register it any moment: a task waits for that, as long as it is told to.
  const hello = () => run('run', '-q', '--max-wait', '300ms', 'hello');
  expect((await hello()).code).toBe(5);

  expect((await run('agents', 'register', 'walnut-tool', '--priority', '3')).out).toMatch(
    /^registered walnut-tool of walnut: ready/,
  );
  expect((await hello()).code).toBe(0);

  expect((await run('agents', 'disable', 'walnut-tool')).out).toMatch(/walnut: disabled/);
  expect((await hello()).code).toBe(5);
  expect((await run('agents', 'enable', 'walnut-tool')).out).toMatch(/walnut: ready/);
  expect((await hello()).code).toBe(0);

  expect((await run('agents', 'remove', 'walnut-tool')).code).toBe(0);
  expect((await run('agents')).out).toMatch(/^walnut-tool .* not registered .* discovered/m);
});

test('an agent that is only discovered is disabled by the command that its refusal names', async () => {
  const { run } = await mixedFleet();
  const { err } = await run('agents', 'disable', 'walnut-tool');
  const [, command = ''] = /`ccli (agents register [^`]+)`/.exec(err) ?? [];
  expect((await run(...command.split(' '))).out).toMatch(/^registered walnut-tool of walnut: disabled/);
  // Imported or registered again, it is still disabled.
  expect((await run('agents', 'register', 'walnut-tool', '--no-canary')).out).toMatch(/walnut: disabled/);
});

test('a list of Ollama agents is imported, one by one, and again without harm', async () => {
  const { run, ash, oak } = await mixedFleet();
  const list = join(await temporaryDirectory(), 'models.json');
  const agents = [
    { id: 'ash-llama3', endpoint: ash.url, model: 'llama3', specialty: 'reasoning', max_concurrent: 2 },
    { id: 'ash-gone', endpoint: ash.url, model: 'gone:1b', specialty: 'tester', max_concurrent: 1 },
    { id: 'oak-phi4', endpoint: `${oak.url}/`, model: 'phi4:14b', specialty: ['docs_writer'] },
    { id: 'elm-far', endpoint: 'http://127.0.0.1:1', model: 'm' },
  ];
  await writeFile(list, JSON.stringify({ agents }, null, 2));

  const preview = await run('agents', 'import', '--dry-run', list);
  expect(preview.out).toMatch(/^ash-llama3 +walnut +would be registered +llama3/m);
  expect(preview.out).toMatch(/^elm-far +- +would fail/m);
  expect((await run('agents')).out).not.toContain('ollama');

  for (const _ of ['once', 'again']) {
    const { code, out } = await run('agents', 'import', '-q', list);
    expect(code).toBe(2);
    expect(out).toMatch(/^ash-llama3 +walnut +registered/m);
    expect(out).toMatch(/^ash-gone +- +model_not_found/m);
    expect(out).toMatch(/^oak-phi4 +walnut +registered/m);
    expect(out).toMatch(/^elm-far +- +not_permitted/m);
    expect(out).toMatch(/^ash-gone.*llama3:latest, qwen3:8b/m);
  }
  const answer = await run('run', '-q', '--specialty', 'docs_writer', 'hello');
  expect(answer).toEqual({ code: 0, out: 'echo: hello', err: '' });
  expect((await run('agents')).out).toMatch(/^oak-phi4 +ollama +walnut +ready, warm .* phi4:14b \(loaded\)/m);
});

test('with registration off nothing is registered, until it is on again', async () => {
  const { run } = await mixedFleet();
  await run('agents', 'registration', 'off');
  expect((await run('status')).out).toMatch(/^registration +off/m);
  const refused = await run('agents', 'register', '-q', 'walnut-tool');
  expect(refused).toMatchObject({
    code: 2,
    err: expect.stringContaining('registration_off') as string,
  });
  await run('agents', 'registration', 'on');
  expect((await run('agents', 'register', '-q', 'walnut-tool')).code).toBe(0);
});

test('a fallback says who stood in and why, a session remembers, and --why tells of every agent', async () => {
  const { run, ash } = await mixedFleet();
  ash.answer(({ messages }) => messages.map(({ content }) => content).join(' | '));
  await run('agents', 'register', '-q', 'walnut-tool');
  await run('agents', 'register', '-q', 'ash-qwen', '--endpoint', ash.url, '--model', 'qwen3:8b');
  await run('agents', 'disable', 'walnut-tool');

  const first = await run('run', '--fallback', 'walnut-tool -> ollama', '--session', 's1', 'one');
  expect(first.out).toBe('one');
  expect(first.err).toMatch(/^answered by ash-qwen as a fallback: walnut-tool: .*disabled/m);
  const second = await run('run', '-q', '--session', 's1', 'two');
  expect(second.out).toContain('one | one | two');

  const [, task_id = ''] = /^submitted (\S+)$/m.exec(first.err) ?? [];
  const shown = await run('task', 'show', task_id);
  expect(shown.out).toMatch(/^fallback +walnut-tool: .*disabled/m);
  expect(shown.out).toMatch(/^asked for +fallback walnut-tool -> ollama, session s1$/m);
  const why = await run('task', 'show', '--why', task_id);
  expect(why.out).toMatch(/^ash-qwen +walnut +chosen +\S/m);
  expect(why.out).toMatch(/^walnut-tool +walnut +excluded +.*disabled/m);
});

test('verify shows each check of a real agent', async () => {
  const { run } = await mixedFleet();
  const { out, err } = await run('agents', 'verify', 'walnut-tool');
  expect(out).toMatch(/^prompt +(passed|failed) .*$/m);
  for (const check of ['stream', 'cancel', 'error', 'json']) expect(out).toContain(`\n${check} `);
  expect(err).toContain('verifying walnut-tool: prompt, stream, cancel, error, JSON\n');
});
