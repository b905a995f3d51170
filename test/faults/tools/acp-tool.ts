#!/usr/bin/env node
/** A CLI that speaks the Agent Client Protocol, many sessions in one process. Behaves as each prompt says. */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { logRun, takeRun } from '../run-log.ts';
import { readPrompt } from '../script.ts';
import { answerOf, sha256 } from './answer.ts';

const directory = process.env['FAULTS_DIRECTORY'] ?? '.';
const by = process.env['FAULTS_AGENT'] ?? 'unknown';

const RequestSchema = z.object({
  /** Null in an answer to something that could not be read. */
  id: z.union([z.string(), z.number()]).nullish(),
  method: z.string().optional(),
  params: z
    .object({
      sessionId: z.string().optional(),
      prompt: z.array(z.object({ text: z.string().optional() })).optional(),
    })
    .optional(),
});
type Id = string | number;

const send = (message: Record<string, unknown>): void => {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
};
const say = (sessionId: string, text: string): void => {
  const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } };
  send({ method: 'session/update', params: { sessionId, update } });
};

let sessions = 0;
/** The prompt that is open in each session. */
const open = new Map<string, { readonly id: Id; readonly cancel: AbortController }>();

function end(sessionId: string, id: Id, stopReason: string): void {
  if (open.get(sessionId)?.id !== id) return;
  open.delete(sessionId);
  send({ id, result: { stopReason } });
}

async function prompt(id: Id, sessionId: string, text: string): Promise<void> {
  const cancel = new AbortController();
  open.set(sessionId, { id, cancel });
  const script = readPrompt(text);
  if (script === undefined) {
    say(sessionId, 'ready');
    end(sessionId, id, 'end_turn');
    return;
  }
  const { run, kind } = takeRun(directory, script);
  const answer = answerOf(randomBytes(6).toString('hex'), script.bytes);
  const log = { n: script.n, run, by, kind, bytes: Buffer.byteLength(answer), at_ms: Date.now() };
  // After garbage between its messages, the answer may be read all the same: then it is this one.
  const whole = kind === 'ok' || kind === 'garbage';
  logRun(directory, { ...log, ...(whole && { sha256: sha256(answer) }) });
  if (kind === 'hang') {
    say(sessionId, answer.slice(0, 1));
    // Every other one does not even hear a cancel.
    if (script.n % 2 === 0)
      cancel.signal.addEventListener('abort', () => {
        end(sessionId, id, 'cancelled');
      });
    return;
  }
  const half = Math.floor(answer.length / 2);
  try {
    await delay(script.work_ms / 2, undefined, { signal: cancel.signal });
    if (kind !== 'empty') sayAll(sessionId, answer.slice(0, half));
    await delay(script.work_ms / 2, undefined, { signal: cancel.signal });
  } catch {
    end(sessionId, id, 'cancelled');
    return;
  }
  if (kind === 'crash') process.exit(7);
  if (kind === 'garbage') process.stdout.write(Buffer.from([0x7b, 0xff, 0xfe, 0xc0, 0x0a, 0x78, 0x0a]));
  if (kind !== 'empty') sayAll(sessionId, answer.slice(half));
  end(sessionId, id, 'end_turn');
}

const PIECE_CHARS = 30_000;

function sayAll(sessionId: string, text: string): void {
  // Whole characters: a piece that ends in half of one would not survive the way through UTF-8.
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += PIECE_CHARS)
    say(sessionId, characters.slice(at, at + PIECE_CHARS).join(''));
}

createInterface({ input: process.stdin })
  .on('line', line => {
    const { id, method, params } = RequestSchema.parse(JSON.parse(line));
    const sessionId = params?.sessionId ?? '';
    if (method === 'session/cancel') open.get(sessionId)?.cancel.abort();
    else if (id === undefined || id === null) return;
    else if (method === 'initialize')
      send({
        id,
        result: {
          protocolVersion: 1,
          agentCapabilities: {},
          agentInfo: { name: 'acp-tool', version: '1.0.0' },
        },
      });
    else if (method === 'session/new') send({ id, result: { sessionId: `s${String((sessions += 1))}` } });
    else if (method === 'session/prompt')
      void prompt(id, sessionId, (params?.prompt ?? []).map(part => part.text ?? '').join(''));
    else send({ id, error: { code: -32601, message: 'no such method' } });
  })
  .on('close', () => process.exit(0));
