#!/usr/bin/env node
// An agent built with the protocol's own SDK. AGENT (JSON in the environment) says what it announces and needs:
// {"auth": [methods], "close": true, "models": "option"|"method", "modes": [ids], "usage": "result"|"chunk", "log": file}.
// A prompt that begins with a word below does what it says; any other is answered with "echo: " and itself.
// Calls that a test asks about are written to "log", one JSON value a line.
import { appendFileSync, writeSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { agent, ndJsonStream, RequestError } from '@agentclientprotocol/sdk';

const setup = JSON.parse(process.env.AGENT ?? '{}');
const log = (...entry) => {
  if (setup.log !== undefined) appendFileSync(setup.log, `${JSON.stringify(entry)}\n`);
};
let signedIn = setup.auth === undefined;
let sessions = 0;
const models = ['small', 'big'];
const chosen = new Map();
const cancels = new Map();
const counts = { inputTokens: 3, outputTokens: 4, totalTokens: 7 };

const options = () =>
  setup.models === 'option'
    ? [
        {
          id: 'which-model',
          name: 'Model',
          category: 'model',
          type: 'select',
          currentValue: 'small',
          options: models.map(value => ({ value, name: `The ${value} one` })),
        },
      ]
    : undefined;

const block = Buffer.from('no protocol\n'.repeat(5_000));
function flood() {
  try {
    writeSync(1, block);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
  }
}

async function answer(sessionId, text, client) {
  const say = (said, rest = {}) =>
    client.notify('session/update', {
      sessionId,
      update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: said }, ...rest },
    });
  const [word, argument] = text.split(' ');
  if (word === 'die') process.exit(Number(argument));
  if (word === 'stop') {
    await say('as far as it goes');
    return { stopReason: argument };
  }
  if (word === 'fail') throw new RequestError(-32603, 'Internal error', JSON.parse(text.slice(5)));
  if (word === 'flood') for (;;) flood();
  if (word === 'sign-out') throw RequestError.authRequired();
  if (word === 'wait') {
    await say('waiting');
    await new Promise(resolve => cancels.set(sessionId, resolve));
    return { stopReason: 'cancelled' };
  }
  await say('echo: ', setup.usage === 'chunk' ? { _meta: { usage: counts } } : {});
  await say(text);
  const model = chosen.get(sessionId);
  if (model !== undefined) await say(` (${model})`);
  return { stopReason: 'end_turn', ...(setup.usage === 'result' && { usage: counts }) };
}

agent({ name: 'stand-in' })
  .onRequest('initialize', () => ({
    protocolVersion: 1,
    agentInfo: { name: 'stand-in', version: '1.2.3' },
    authMethods: (setup.auth ?? []).map(id => ({ id, name: id })),
    agentCapabilities: setup.close === true ? { sessionCapabilities: { close: {} } } : {},
  }))
  .onRequest('authenticate', ({ params }) => {
    log('authenticate', params.methodId);
    signedIn = true;
    return {};
  })
  .onRequest('session/new', () => {
    if (!signedIn) throw RequestError.authRequired();
    sessions += 1;
    return {
      sessionId: `s${sessions}`,
      configOptions: options(),
      ...(setup.models === 'method' && {
        models: {
          currentModelId: 'small',
          availableModels: models.map(modelId => ({ modelId, name: modelId })),
        },
      }),
      ...(setup.modes !== undefined && {
        modes: { currentModeId: setup.modes[0], availableModes: setup.modes.map(id => ({ id, name: id })) },
      }),
    };
  })
  .onRequest('session/set_mode', ({ params }) => {
    log('mode', params.modeId);
    return {};
  })
  .onRequest('session/set_config_option', ({ params }) => {
    log(params.configId, params.value);
    chosen.set(params.sessionId, params.value);
    return { configOptions: [] };
  })
  .onRequest(
    'session/set_model',
    params => params,
    ({ params }) => {
      log('set_model', params.modelId);
      if (setup.models !== 'method' || !models.includes(params.modelId)) throw RequestError.invalidParams();
      chosen.set(params.sessionId, params.modelId);
      return {};
    },
  )
  .onRequest('session/close', ({ params }) => {
    log('close', params.sessionId);
    return {};
  })
  .onRequest('session/prompt', ({ params, client }) =>
    answer(params.sessionId, params.prompt[0].text, client),
  )
  .onNotification('session/cancel', ({ params }) => {
    cancels.get(params.sessionId)?.();
  })
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
