import { describe, expect, test } from 'vitest';
import { encodeEvent } from '../../../coordinator/http/sse-encoding.ts';
import { createTurns } from '../../../coordinator/http/sse-turns.ts';
import { createSseWriter, type Encode } from '../../../coordinator/http/sse-writer.ts';
import { createLog } from '../../../protocol/daemon/log.ts';

const never = new AbortController().signal;
const log = createLog({ level: 'silent', name: 'test' });

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

async function* endless(): AsyncGenerator<string, void> {
  await new Promise(() => undefined);
  yield 'never';
}

const encode: Encode<string> = word =>
  word.startsWith('-') ? { passed: word.slice(1) } : encodeEvent({ id: word, event: 'word', data: word });

function writerOf(events: AsyncIterable<string>, over: { keepalive_ms?: number } = {}) {
  const turns = createTurns(events);
  const next = createSseWriter({
    turns,
    encode,
    gone: never,
    refused: () => undefined,
    keepalive_ms: 60_000,
    log,
    ...over,
  });
  return async () => text(await next());
}

describe('the writer of an event stream', () => {
  test('begins with how soon to come back, then writes each event, then ends', async () => {
    const next = writerOf(
      (async function* () {
        await Promise.resolve();
        yield '1';
        yield '2';
      })(),
    );
    expect(await next()).toBe('retry: 2000\n\n');
    expect(await next()).toBe('id: 1\nevent: word\ndata: "1"\n\n');
    expect(await next()).toBe('id: 2\nevent: word\ndata: "2"\n\n');
    expect(await next()).toBeUndefined();
    expect(await next()).toBeUndefined();
  });

  test('breaks a silence with a comment, again and again', async () => {
    const next = writerOf(endless(), { keepalive_ms: 1 });
    await next();
    expect([await next(), await next()]).toEqual([':\n\n', ':\n\n']);
  });

  test('moves a reader on past events it did not ask for', async () => {
    const next = writerOf(
      (async function* () {
        yield '-7';
        yield '-8';
        yield* endless();
      })(),
      { keepalive_ms: 5 },
    );
    await next();
    expect([await next(), await next()]).toEqual([':\nid: 8\n\n', ':\n\n']);
  });

  test('says why it ends when its events break off, and nothing of the inside', async () => {
    const broken: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('secret')) }),
    };
    const next = writerOf(broken);
    await next();
    const last = await next();
    expect(last).toMatch(/^event: closed\ndata: .*"code":"internal"/);
    expect(last).not.toContain('secret');
    expect(await next()).toBeUndefined();
  });
});

describe('an encoded event', () => {
  test('is one line of data, whatever its text holds', () => {
    const data = { text: 'a\nb\rc\r\n\u2028\u0000\uD83D ż🐢 data: x\n\nevent: y' };
    const lines = text(encodeEvent({ event: 'chunk', data }))?.split(/\r\n|\r|\n/) ?? [];
    expect(lines).toHaveLength(4);
    expect(JSON.parse((lines[1] ?? '').slice('data: '.length))).toEqual(data);
  });
});
