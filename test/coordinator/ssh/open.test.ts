import { createHash, randomBytes } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { needsSshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait.ts';
import { live, sessionsOver, testHost } from './test-ssh.ts';

describe('an open command', () => {
  needsSshd('a real one is spoken to');
  test('answers while its input is still open', async () => {
    const { host } = await testHost();
    const process = await host.open({ argv: ['cat'] }, live());
    let said = '';
    process.stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    process.stream.write('one\n');
    await waitFor(() => said === 'one\n');
    process.stream.write('two\n');
    await waitFor(() => said === 'one\ntwo\n');
    process.stream.end();
    expect(await process.ended).toEqual({ code: 0, signal: undefined });
  });

  test('goes on talking after its input has ended', async () => {
    const { host } = await testHost();
    const process = await host.open(
      { argv: ['sh', '-c', 'cat >/dev/null; echo after; echo wrong >&2; exit 2'] },
      live(),
    );
    process.stream.end('input');
    expect(await Promise.all([text(process.stream), text(process.stderr)])).toEqual(['after\n', 'wrong\n']);
    expect(await process.ended).toEqual({ code: 2, signal: undefined });
  });

  test('carries any bytes in both directions', async () => {
    const { host } = await testHost();
    const sent = randomBytes(8 * 1024 * 1024);
    const process = await host.open({ argv: ['cat'] }, live());
    const hash = createHash('sha256');
    await Promise.all([
      pipeline(Readable.from([sent]), process.stream, { end: true }).catch(() => undefined),
      (async () => {
        for await (const chunk of process.stream) hash.update(chunk as Buffer);
      })(),
    ]);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
    expect(await process.ended).toEqual({ code: 0, signal: undefined });
  });

  test('holds back a writer when it does not read', async () => {
    const { host } = await testHost();
    const process = await host.open({ argv: ['sleep', '600'] }, live());
    let written = 0;
    const chunk = Buffer.alloc(64 * 1024);
    const flood = (): void => {
      process.stream.write(chunk, error => {
        if (error !== null && error !== undefined) return;
        written += chunk.length;
        if (written < 64 * 1024 * 1024) flood();
      });
    };
    flood();
    await waitFor(() => written > 0);
    let before = -1;
    await waitFor(
      () => {
        const same = written === before;
        before = written;
        return same;
      },
      { pause_ms: 300 },
    );
    expect(written).toBeLessThan(16 * 1024 * 1024);
    await process.kill();
  });

  test('is held back when nobody reads it, and loses nothing', async () => {
    const { host } = await testHost();
    const bytes = 32 * 1024 * 1024;
    const process = await host.open({ argv: ['head', '-c', String(bytes), '/dev/zero'] }, live());
    await waitFor(() => process.stream.readableLength > 0);
    let read = 0;
    await pipeline(
      process.stream,
      new Writable({
        highWaterMark: 1024,
        write(chunk: Buffer, _encoding, done) {
          read += chunk.length;
          setImmediate(done);
        },
      }),
    ).catch(() => undefined);
    expect(read).toBe(bytes);
    expect(await process.ended).toMatchObject({ code: 0 });
  });

  test('keeps its session until it ends', async () => {
    const { host, ssh } = await testHost();
    const process = await host.open({ argv: ['cat'] }, live());
    expect(ssh.counts()).toMatchObject([{ sessions_in_use: 1 }]);
    process.stream.end();
    process.stream.resume();
    await process.ended;
    await sessionsOver(ssh);
  });

  test('whose output is thrown away ends all the same', async () => {
    const { host, ssh } = await testHost();
    const process = await host.open({ argv: ['yes'] }, live());
    process.stream.destroy();
    await process.ended.catch(() => undefined);
    await sessionsOver(ssh);
  });
});
