/**
 * What the driver relies on, held against the stand-in and against a real Ollama where there is one: on PATH, or named by
 * CCLI_TEST_OLLAMA. Measured with 0.17.4.
 */
import { describe, expect, test } from 'vitest';
import { CcliError } from '../../../../protocol/errors.ts';
import { type OllamaAnswer, type OllamaRequest, startOllamaStub } from '../../../support/ollama-stub.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { waitFor } from '../../../support/wait.ts';
import { ask, failure } from '../fixture.ts';
import { ollamaDriver, patient } from './fixture.ts';
import { findOllama, startRealOllama } from './real-server.ts';
import { tinyModel } from './tiny-model.ts';

const CONTEXT = 256;

interface Server {
  readonly url: string;
  close(): Promise<void>;
}

/** Three models: one that goes on for ever, one that says a single letter again and again, one for a giant's memory. */
async function realServer(executable: string): Promise<Server> {
  const server = await startRealOllama(executable, await temporaryDirectory());
  await server.create('ab', tinyModel({ letters: 'ab' }), { num_ctx: CONTEXT });
  await server.create('aaa', tinyModel({ letters: 'a' }), { num_ctx: CONTEXT });
  await server.create('big', tinyModel({ letters: 'ab', context: 2_000_000_000 }), {
    num_ctx: 1_000_000_000,
  });
  return server;
}

const standIn = (): Promise<Server> =>
  startOllamaStub({ models: ['ab:latest', 'aaa:latest', 'big:latest'], num_ctx: CONTEXT, answer: say });

function say({ model, options = {} }: OllamaRequest): OllamaAnswer {
  if (model === 'big')
    return {
      status: 500,
      error: 'model requires more system memory (238.4 GiB) than is available (22.7 GiB)',
    };
  if (model === 'aaa') return { text: Array.from({ length: 31 }, () => 'a'), end: 'silence' };
  const { num_predict } = options;
  return { text: letters(typeof num_predict === 'number' ? num_predict : Infinity), done_reason: 'length' };
}

async function* letters(count: number): AsyncGenerator<string> {
  for (let index = 0; index < count; index += 1) {
    yield 'ab'.charAt(index % 2);
    await new Promise(setImmediate);
  }
}

const ollama = await findOllama();
const SERVERS: readonly [string, (() => Promise<Server>) | undefined][] = [
  ['the stand-in', standIn],
  ['a real Ollama', ollama === undefined ? undefined : () => realServer(ollama)],
];

describe.each(SERVERS)('%s', (_, start) => {
  test('does what the driver expects of it', async ({ skip }) => {
    const server = await (start ?? (() => skip('needs ollama: the stand-in is held against it')))();
    try {
      await keepsTheContract(server.url);
    } finally {
      await server.close();
    }
  });
});

async function keepsTheContract(endpoint: string): Promise<void> {
  const driver = ollamaDriver({ endpoint, model: 'ab', options: { num_predict: 20 } });

  const probe = await driver.probe(patient());
  expect(probe).toMatchObject({ signed_in: 'yes', loaded_models: [] });
  expect(probe.cli_version).toMatch(/^\d+\.\d+\.\d+/);

  const answer = await ask(driver, 'hello');
  expect(answer.text).toMatch(/^[ab]{10,20}$/);
  expect(answer).toMatchObject({ completeness: 'partial', usage: { output_tokens: 20 }, warm: false });
  expect(answer.usage?.input_tokens).toBeGreaterThan(0);
  expect(answer.load_ms).toBeTypeOf('number');
  await waitFor(() => driver.warm, { what: 'the model being in memory' });
  expect((await driver.probe(patient())).loaded_models).toEqual(['ab:latest']);

  const missing = await failure(ask(ollamaDriver({ endpoint, model: 'nobody' }), 'hello'));
  expect(missing.code).toBe('model_not_found');
  for (const name of ['ab:latest', 'aaa:latest', 'big:latest']) expect(missing.message).toContain(name);

  const long = 'a b '.repeat(CONTEXT);
  expect(await failure(ask(driver, long))).toMatchObject({ code: 'context_too_long' });
  // A session goes on without its oldest turns.
  const history = [{ prompt: long, response: 'b' }];
  expect((await ask(driver, 'c', { history })).text).toMatch(/[ab]/);

  expect(await failure(ask(ollamaDriver({ endpoint, model: 'aaa' }), 'hello'))).toMatchObject({
    code: 'reply_truncated',
  });
  expect(await failure(ask(ollamaDriver({ endpoint, model: 'big' }), 'hello'))).toMatchObject({
    code: 'out_of_memory',
  });
  const wrong = ollamaDriver({ endpoint, model: 'ab', options: { num_ctx: 'many' } });
  expect(await failure(ask(wrong, 'hello'))).toMatchObject({ code: 'model_rejected' });
  expect(
    (await ask(ollamaDriver({ endpoint, model: 'ab', keep_alive: '-1', options: { num_predict: 2 } }), 'x'))
      .text,
  ).toMatch(/[ab]/);

  await stopsWhenToldTo(endpoint);

  const forgetful = ollamaDriver({ endpoint, model: 'ab', keep_alive: 0, options: { num_predict: 2 } });
  await ask(forgetful, 'hello');
  await waitFor(async () => !(await forgetful.probe(patient())).loaded_models?.includes('ab:latest'), {
    what: 'the model being gone',
  });
}

/** It serves one chat at a time: another one is answered only because the first, which never ends, was given up. */
async function stopsWhenToldTo(endpoint: string): Promise<void> {
  const endless = ollamaDriver({ endpoint, model: 'ab', options: { num_predict: 100_000 } });
  const controller = new AbortController();
  const reason = new CcliError('cancelled');
  const running = endless.run(
    { task_id: 'task', attempt: 1, prompt: 'hello', tool_policy: 'deny' },
    {
      onChunk: () => {
        controller.abort(reason);
      },
    },
    controller.signal,
  );
  await expect(running).rejects.toBe(reason);
  const next = ollamaDriver({ endpoint, model: 'ab', options: { num_predict: 2 } });
  expect((await ask(next, 'hello')).text).toMatch(/[ab]/);
}
