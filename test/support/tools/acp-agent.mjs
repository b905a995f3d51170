#!/usr/bin/env node
// A stand-in for a CLI that speaks the Agent Client Protocol. Its first argument says how it misbehaves.
// With "obey" the prompts do: "crash 3", "freeze", "grow 200" (MiB), "gate FILE" (answers once the file exists),
// "chatter FILE" (the same, talking all the while and answering nothing else), "mutter TEXT" (to stderr).
// Anything else is answered with itself and the process id. It refuses to start while the file named after "obey" exists.
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [behaviour = 'echo', value = ''] = process.argv.slice(2);
const send = message => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const say = (sessionId, text) =>
  send({
    method: 'session/update',
    params: { sessionId, update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } },
  });

if (behaviour === 'exit') {
  process.stderr.write('cannot go on\n');
  process.exit(Number(value));
}

if (behaviour === 'obey' && value !== '' && existsSync(value)) {
  process.stderr.write('will not start\n');
  process.exit(3);
}

let sessions = 0;
/** Answers to what it does not know, too. */
let polite = behaviour !== 'shy';
const grown = [];
/** The prompt that is open in each session. */
const open = new Map();

const whenThere = (file, then, meanwhile = () => undefined) => {
  const timer = setInterval(() => {
    if (!existsSync(file)) return meanwhile();
    clearInterval(timer);
    then();
  }, 10);
};

const commands = {
  crash: code => process.exit(Number(code)),
  freeze: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  // Filled, so that the memory is really held.
  grow: mib => grown.push(Buffer.alloc(Number(mib) * 1024 * 1024, 1)),
  gate: (file, end) => whenThere(file, end),
  chatter(file, end, sessionId) {
    polite = false;
    whenThere(file, end, () => say(sessionId, '.'));
  },
  mutter(text, end) {
    process.stderr.write(`${text}\n`, end);
  },
};

function obey(id, sessionId, text) {
  const [name, argument] = text.split(' ');
  const end = () => {
    polite = true;
    say(sessionId, `${text} by ${process.pid}`);
    send({ id, result: { stopReason: 'end_turn' } });
  };
  const command = commands[name];
  command?.(argument, end, sessionId);
  if (command === undefined || name === 'grow') end();
}

const handlers = {
  initialize(id) {
    if (behaviour === 'mute') return;
    send({
      id,
      result: {
        protocolVersion: 1,
        agentCapabilities: {},
        agentInfo: { name: behaviour === 'echo' && value !== '' ? value : 'stand-in', version: '9.9.9' },
      },
    });
  },
  'session/new'(id) {
    if (behaviour === 'slow' && sessions >= 2) return;
    if (behaviour === 'closed' || (behaviour === 'barren' && sessions >= 2))
      send({ id, error: { code: -32603, message: 'no room for sessions' } });
    else send({ id, result: { sessionId: `s${(sessions += 1)}` } });
  },
  'session/prompt'(id, { sessionId, prompt }) {
    open.set(sessionId, id);
    if (behaviour === 'stubborn') say(sessionId, 'working');
    else if (behaviour === 'obey') obey(id, sessionId, prompt[0].text);
    else if (behaviour === 'ask') {
      send({
        id: 'permission',
        method: 'session/request_permission',
        params: { sessionId, toolCall: { toolCallId: 't', kind: 'execute' }, options: JSON.parse(value) },
      });
    } else if (behaviour === 'stop') send({ id, result: { stopReason: value } });
    else if (behaviour === 'hang-up') process.stdout.end();
    else {
      if (behaviour === 'echo') say(sessionId, '[MODE_UPDATE] plan');
      say(sessionId, prompt[0].text);
      send({ id, result: { stopReason: 'end_turn' } });
    }
  },
  'session/cancel'(_id, { sessionId }) {
    if (behaviour === 'stubborn') return;
    send({ id: open.get(sessionId), result: { stopReason: 'cancelled' } });
  },
};

createInterface({ input: process.stdin }).on('line', line => {
  const { id, method, params, result } = JSON.parse(line);
  if (method === undefined) {
    // The answer to the permission asked for above.
    const [sessionId] = [...open.keys()];
    say(sessionId, JSON.stringify(result.outcome));
    send({ id: open.get(sessionId), result: { stopReason: 'end_turn' } });
  } else if (handlers[method] !== undefined) handlers[method](id, params);
  else if (polite) send({ id, error: { code: -32601, message: `Method not found: ${method}` } });
});
