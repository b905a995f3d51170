import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { gate } from '../../../support/gemini-stub.ts';
import { ollamaStub } from '../../../support/ollama-stub.ts';
import { waitFor } from '../../../support/wait.ts';
import { ask, failure } from '../fixture.ts';
import { ollamaDriver, patient } from './fixture.ts';

test('a probe tells the version, and which models are in memory', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest', 'qwen3:8b'] });
  const driver = ollamaDriver({ endpoint: stub.url });
  expect(await driver.probe(patient())).toEqual({
    cli_version: '0.17.4',
    signed_in: 'yes',
    loaded_models: [],
  });
  expect(driver.warm).toBe(false);
  stub.load('qwen3:8b');
  stub.load('llama3');
  expect(await driver.probe(patient())).toMatchObject({ loaded_models: ['qwen3:8b', 'llama3:latest'] });
  expect(driver.warm).toBe(true);
});

test('free GPU memory is what the models in memory leave of the memory that the file names', async () => {
  const stub = await ollamaStub({ models: ['llama3:latest', 'qwen3:8b'], vram_bytes: 3 * 1024 ** 3 });
  const driver = ollamaDriver({ endpoint: stub.url, gpu_memory: '8GiB' });
  stub.load('llama3');
  stub.load('qwen3:8b');
  expect((await driver.probe(patient())).gpu_memory).toEqual({
    total_bytes: 8 * 1024 ** 3,
    free_bytes: 2 * 1024 ** 3,
  });
});

test.each([
  ['llama3', 'llama3:latest'],
  ['llama3:latest', 'llama3:latest'],
  ['LLaMA3', 'llama3:latest'],
  ['registry.ollama.ai/library/llama3', 'llama3:latest'],
  ['hf.co/someone/model.gguf', 'hf.co/someone/model.gguf:latest'],
])('a model written %s is the one listed as %s', async (model, listed) => {
  const stub = await ollamaStub({ models: [listed] });
  await ollamaDriver({ endpoint: stub.url, model }).probe(patient());
});

test('a model that ollama.com runs need not be listed', async () => {
  const stub = await ollamaStub({ models: [] });
  await ollamaDriver({ endpoint: stub.url, model: 'gpt-oss:120b-cloud' }).probe(patient());
});

test('a model that is missing is told with those there are', async () => {
  const stub = await ollamaStub({ models: ['qwen3:8b', 'phi4:latest'] });
  const error = await failure(ollamaDriver({ endpoint: stub.url }).probe(patient()));
  expect(error.code).toBe('model_not_found');
  expect(error.message).toContain('"llama3": it has qwen3:8b, phi4:latest');
});

test('a server without any model says so', async () => {
  const stub = await ollamaStub({ models: [] });
  const error = await failure(ollamaDriver({ endpoint: stub.url }).probe(patient()));
  expect(error.message).toContain('it has none');
});

test('an endpoint may have a path, as behind a reverse proxy', async () => {
  const stub = await ollamaStub({ prefix: '/gpu0' });
  const driver = ollamaDriver({ endpoint: `${stub.url}/` });
  await driver.probe(patient());
  expect((await ask(driver, 'hello')).text).toBe('echo: hello');
  const wrong = ollamaDriver({ endpoint: stub.url.replace('gpu0', 'gpu1') });
  expect(await failure(wrong.probe(patient()))).toMatchObject({ code: 'endpoint_unreachable' });
});

test('a server that does not run is unreachable, and why is told', async () => {
  const stub = await ollamaStub();
  await stub.close();
  const error = await failure(ollamaDriver({ endpoint: stub.url }).probe(patient()));
  expect(error.code).toBe('endpoint_unreachable');
  expect(error.message).toContain('nothing listens');
});

test('a host that has no address is unreachable', async () => {
  const error = await failure(ollamaDriver({ endpoint: 'http://no-such-host.invalid' }).probe(patient()));
  expect(error.code).toBe('endpoint_unreachable');
  expect(error.message).toContain('name of its host');
});

test('a server that speaks no TLS where the endpoint says https is unreachable', async () => {
  const stub = await ollamaStub();
  const error = await failure(
    ollamaDriver({ endpoint: stub.url.replace('http:', 'https:') }).probe(patient()),
  );
  expect(error.code).toBe('endpoint_unreachable');
  expect(error.message).toContain('TLS');
});

test('what speaks no HTTP at all is not taken for Ollama', async () => {
  const server = createServer(socket => {
    socket.on('error', () => undefined).end('SSH-2.0-OpenSSH_9.2\r\n');
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const error = await failure(
    ollamaDriver({ endpoint: `http://127.0.0.1:${String(port)}` }).probe(patient()),
  );
  expect(error.code).toBe('cli_garbled');
});

test.each([
  [{ status: 401, body: 'who are you' }, 'auth_refused'],
  [{ status: 403 }, 'auth_refused'],
  [{ status: 500, error: 'disk on fire' }, 'model_unavailable'],
  [{ status: 502, body: '<html>Bad Gateway</html>' }, 'model_unavailable'],
  [{ status: 301, headers: { location: 'https://elsewhere' } }, 'endpoint_unreachable'],
  [{ status: 200, body: '<html>Welcome</html>' }, 'endpoint_unreachable'],
  [{ status: 200, body: '{"models":"many"}' }, 'cli_garbled'],
] as const)('a server that answers with %o is reported as %s', async (answer, code) => {
  const stub = await ollamaStub();
  stub.refuse(answer);
  expect(await failure(ollamaDriver({ endpoint: stub.url }).probe(patient()))).toMatchObject({ code });
});

test('an aborted probe rejects with the reason and leaves no connection', async () => {
  const held = gate();
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      held.open();
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const controller = new AbortController();
  const probing = ollamaDriver({ endpoint: `http://127.0.0.1:${String(port)}` }).probe(controller.signal);
  await held.opened;
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(probing).rejects.toBe(reason);
  await waitFor(
    () =>
      new Promise<boolean>(resolve =>
        server.getConnections((_, count) => {
          resolve(count === 0);
        }),
      ),
    { what: 'every connection being closed' },
  );
});

test('an endpoint that a run found unreachable is a problem until a probe finds it again', async () => {
  const stub = await ollamaStub();
  const driver = ollamaDriver({ endpoint: stub.url });
  await driver.probe(patient());
  expect(driver.problem).toBeUndefined();
  await stub.close();
  expect(await failure(ask(driver, 'hello'))).toMatchObject({ code: 'endpoint_unreachable' });
  expect(driver.problem?.code).toBe('endpoint_unreachable');
  await ollamaStub({ port: Number(new URL(stub.url).port) });
  await driver.probe(patient());
  expect(driver.problem).toBeUndefined();
});

test('after a run the driver knows whether the model has stayed in memory', async () => {
  const stub = await ollamaStub();
  const driver = ollamaDriver({ endpoint: stub.url });
  expect(await ask(driver, 'hello')).toMatchObject({ warm: false });
  await waitFor(() => driver.warm, { what: 'the model being known to be in memory' });
  expect(await ask(driver, 'hello')).toMatchObject({ warm: true });
  const forgetful = ollamaDriver({ endpoint: stub.url, keep_alive: 0 });
  await forgetful.probe(patient());
  expect(forgetful.warm).toBe(true);
  await ask(forgetful, 'hello');
  await waitFor(() => !forgetful.warm, { what: 'the model being known to be gone' });
});
