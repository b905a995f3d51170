#!/usr/bin/env node
// A stand-in for a CLI that speaks the Agent Client Protocol. Its first argument says how it misbehaves.
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

let sessions = 0;
/** The prompt that is open in each session. */
const open = new Map();

const handlers = {
  initialize(id) {
    if (behaviour === 'mute') return;
    send({
      id,
      result: {
        protocolVersion: 1,
        agentCapabilities: {},
        agentInfo: { name: 'stand-in', version: '9.9.9' },
      },
    });
  },
  'session/new'(id) {
    if (behaviour === 'slow' && sessions >= 2) return;
    if (behaviour === 'closed') send({ id, error: { code: -32603, message: 'no room for sessions' } });
    else send({ id, result: { sessionId: `s${(sessions += 1)}` } });
  },
  'session/prompt'(id, { sessionId, prompt }) {
    open.set(sessionId, id);
    if (behaviour === 'stubborn') say(sessionId, 'working');
    else if (behaviour === 'ask') {
      send({
        id: 'permission',
        method: 'session/request_permission',
        params: { sessionId, toolCall: { toolCallId: 't', kind: 'execute' }, options: JSON.parse(value) },
      });
    } else if (behaviour === 'stop') send({ id, result: { stopReason: value } });
    else if (behaviour === 'hang-up') process.stdout.end();
    else {
      say(sessionId, '[MODE_UPDATE] plan');
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
  } else handlers[method]?.(id, params);
});
