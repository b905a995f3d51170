import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { startFleet } from '../../../coordinator/embedded/fleet.ts';
import { built } from '../../support/built.ts';
import { plainEnvironment } from '../../support/plain-environment.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { connectClient } from './support/clients.ts';
import { mcpFleet } from './support/places.ts';

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'by-hand', version: '1' } },
});

const programs = { coordinator: built('coordinator/main.ts'), node_agent: built('node-agent/main.ts') };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The command itself, spoken to line by line. */
function start(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [built('coordinator/cli/main.ts'), 'mcp', ...args], {
    env: { ...plainEnvironment(), ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close').then(() => child.exitCode);
  onTestFinished(async () => {
    child.stdin.destroy();
    await ended;
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', line => lines.push(line));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  return {
    child,
    ended,
    lines,
    log: () => log,
    send: (line: string) => child.stdin.write(`${line}\n`),
    answers: (count: number) =>
      waitFor(() => lines.length >= count && lines.map(line => JSON.parse(line) as Record<string, unknown>)),
  };
}

test('without a fleet it starts all the same, and its tools say what is missing', async () => {
  const home = await temporaryDirectory();
  const server = start(['--state', home]);
  server.send(initialize);
  server.send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  server.send('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"discover_agents"}}');
  server.send('{"jsonrpc":"2.0","id":3,"method":"ping"}');
  const answers = await server.answers(3);
  expect(answers.find(({ id }) => id === 2)).toMatchObject({
    result: {
      isError: true,
      content: [
        { type: 'text', text: expect.stringMatching(/^fleet_not_found: No fleet runs in /) as string },
      ],
    },
  });
  expect(answers.find(({ id }) => id === 3)).toMatchObject({ result: {} });
  server.child.stdin.end();
  expect(await server.ended).toBe(0);
  expect(server.log()).toBe('');
});

test('a fleet that comes after it is found, and found again at another address', async () => {
  const state = await temporaryDirectory();
  const client = await connectClient('modern', { state });
  expect(await client.text('discover_agents')).toMatch(/^fleet_not_found: /);
  const up = async () => {
    const fleet = await startFleet({
      state_dir: state,
      port: await freePort(),
      http: 'off',
      environment: plainEnvironment(),
      onStage: () => undefined,
      programs,
    });
    onTestFinished(fleet.stop);
    return fleet;
  };
  const first = await up();
  const agent = `${first.node}-gemini`;
  await waitFor(async () => (await client.text('discover_agents')).includes(agent) && true);
  await first.stop();
  await waitFor(async () => !(await client.text('discover_agents')).includes(agent) && true);
  const second = await up();
  expect(second.nats_url).not.toBe(first.nats_url);
  await waitFor(
    async () => (await client.text('discover_agents', { available: true })).includes(agent) && true,
  );
  expect(await client.text('run_task', { prompt: 'hello' })).toContain('> hello');
});

test('a fleet whose server was away is there again', async () => {
  const fleet = await mcpFleet();
  const client = await connectClient('modern', { nats: fleet.nats.url });
  expect(await client.text('discover_agents')).toContain('walnut-echo');
  await fleet.nats.kill();
  await waitFor(async () => (await client.text('discover_agents')).startsWith('nats_unreachable: ') && true);
  await fleet.nats.restart();
  await waitFor(async () => (await client.text('discover_agents')).includes('walnut-echo') && true);
  expect(await client.text('run_task', { prompt: 'hello' })).toContain('echo: hello');
});

test('many calls may wait at the same time without a word on stderr', async () => {
  const fleet = await mcpFleet();
  const server = start(['--nats', fleet.nats.url]);
  server.send(initialize);
  await server.answers(1);
  for (let id = 2; id < 22; id += 1)
    server.send(
      JSON.stringify({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: { name: 'run_task', arguments: { prompt: 'hello' } },
      }),
    );
  await server.answers(21);
  server.child.stdin.end();
  expect(await server.ended).toBe(0);
  expect(server.log()).toBe('');
});

test('what it has to log goes to stderr, and its stdout holds nothing but the protocol', async () => {
  const fleet = await mcpFleet();
  const server = start(['--nats', fleet.nats.url, '--log-level', 'debug']);
  server.send(initialize);
  server.send('this is no JSON');
  server.send(
    '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"discover_agents","arguments":{}}}',
  );
  const answers = await server.answers(2);
  expect(answers.map(({ jsonrpc }) => jsonrpc)).toEqual(['2.0', '2.0']);
  expect(answers[0]).toMatchObject({
    result: { serverInfo: { name: 'ccli' }, protocolVersion: '2025-06-18' },
  });
  await waitFor(() => server.log().includes('"event":"fleet_found"') && true);
  server.child.kill('SIGTERM');
  expect(await server.ended).toBe(0);
});

test('a reader of its stdout that goes away ends it', async () => {
  const server = start(['--state', await temporaryDirectory()]);
  server.send(initialize);
  await server.answers(1);
  server.child.stdout.destroy();
  server.send('{"jsonrpc":"2.0","id":2,"method":"tools/list"}');
  server.send('{"jsonrpc":"2.0","id":3,"method":"tools/list"}');
  expect(await server.ended).toBe(0);
});

test('Ctrl-C at the terminal of its client does not end it', async () => {
  const server = start(['--state', await temporaryDirectory()]);
  server.send(initialize);
  await server.answers(1);
  server.child.kill('SIGINT');
  server.send('{"jsonrpc":"2.0","id":2,"method":"ping"}');
  await server.answers(2);
  server.child.stdin.end();
  expect(await server.ended).toBe(0);
});
