import { describe, expect, onTestFinished, test } from 'vitest';
import { createLine, type LineListener } from '../../../coordinator/lines/line.ts';
import { WIRE_VERSION } from '../../../protocol/codec.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../../../protocol/errors.ts';
import { MAX_LINE_BYTES } from '../../../protocol/line.ts';
import { advertOf } from '../../support/advert.ts';
import { waitFor } from '../../support/wait.ts';
import { farEnd, hello } from './support/far-end.ts';

function line(options: { readonly stubborn?: boolean; readonly hello_timeout_ms?: number } = {}) {
  const far = farEnd(options);
  const said: [kind: string, what: unknown][] = [];
  const note =
    (kind: string) =>
    (...what: unknown[]): void => {
      said.push([kind, what]);
    };
  const listener: LineListener = {
    onHello: note('hello'),
    onAdvert: note('advert'),
    onChunk: note('chunk'),
    onReport: note('report'),
  };
  const { hello_timeout_ms } = options;
  const made = createLine({
    node: 'walnut',
    process: far.process,
    listener,
    log: createLog({ level: 'silent', name: 'test' }),
    ...(hello_timeout_ms !== undefined && { hello_timeout_ms }),
  });
  onTestFinished(() => made.close());
  const heard = (count: number): Promise<unknown> => waitFor(() => said.length >= count, { what: 'so much' });
  return { far, said, heard, line: made };
}

const advert = { kind: 'advert', v: 1, advert: advertOf() } as const;

describe('what a node says', () => {
  test('reaches the listener in its order, after the hello', async () => {
    const { far, said, heard } = line();
    far.say(hello(), advert, {
      kind: 'chunk',
      v: 1,
      chunk: { v: 1, task_id: 't1', attempt: 1, n: 0, text: 'a' },
    });
    await heard(3);
    expect(said.map(([kind]) => kind)).toEqual(['hello', 'advert', 'chunk']);
  });

  test('before its hello is nothing: a login shell may have something to say', async () => {
    const { far, said, heard, line: own } = line();
    far.write('Welcome to walnut!\nLast login: yesterday\n');
    far.say(advert, hello(), advert);
    await heard(2);
    expect(said.map(([kind]) => kind)).toEqual(['hello', 'advert']);
    expect(own.malformed()).toBe(0);
  });

  test('that cannot be read is counted, and the line goes on', async () => {
    const { far, said, heard, line: own } = line();
    far.say(hello());
    far.write('nonsense\n{"kind":"poem","v":1}\n{"kind":"advert","v":99}\n');
    far.write(`${'x'.repeat(MAX_LINE_BYTES + 1)}\n`);
    far.say({ ...advert, advert: advertOf({ node: 'ash' }) }, advert);
    await heard(2);
    expect(said.map(([kind]) => kind)).toEqual(['hello', 'advert']);
    expect(own.malformed()).toBe(5);
  });

  test('as a second hello begins nothing anew', async () => {
    const { far, said, heard, line: own } = line();
    far.say(hello(), hello({ instance_id: 'two' }), advert);
    await heard(2);
    expect(said.map(([kind]) => kind)).toEqual(['hello', 'advert']);
    expect(own.malformed()).toBe(1);
  });

  test('and that is nothing but noise ends the line', async () => {
    const { far, line: own } = line();
    far.say(hello());
    far.write('noise\n'.repeat(200));
    expect(await own.ended).toMatchObject({ code: 'invalid_request' });
  });
});

describe('a request', () => {
  const body = { drain: true };

  test('is answered by its id, in whatever order the replies come', async () => {
    const { far, line: own } = line();
    far.say(hello());
    const first = own.request('drain', body, 5_000);
    const second = own.request('status', {}, 5_000);
    const [one, two] = [await far.hears('request', 0), await far.hears('request', 1)];
    expect(one).toEqual({ kind: 'request', v: WIRE_VERSION, id: one.id, verb: 'drain', body });
    far.say(
      { kind: 'reply', v: 1, id: two.id, reply: 'second' },
      { kind: 'reply', v: 1, id: one.id, reply: 'first' },
    );
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  });

  test('that the node refuses rejects with its code', async () => {
    const { far, line: own } = line();
    const asked = own.request('probe', {}, 5_000);
    const { id } = await far.hears('request');
    far.say(hello(), {
      kind: 'error',
      v: 1,
      id,
      error: toErrorBody(new CcliError('agent_unknown', 'Which?')),
    });
    await expect(asked).rejects.toMatchObject({ code: 'agent_unknown', message: 'Which?' });
  });

  test('that is not answered in time finds the node lost, and a late reply does no harm', async () => {
    const { far, line: own } = line();
    far.say(hello());
    const asked = own.request('drain', body, 10);
    await expect(asked).rejects.toMatchObject({ code: 'node_lost' });
    far.say({ kind: 'reply', v: 1, id: 1, reply: 'late' });
    const next = own.request('drain', body, 5_000);
    far.say({ kind: 'reply', v: 1, id: 2, reply: 'in time' });
    expect(await next).toBe('in time');
  });

  test('under way when the line ends finds the node lost at once, and so does one after it', async () => {
    const { far, line: own } = line();
    far.say(hello());
    const asked = own.request('drain', body, 60_000);
    const refused = expect(asked).rejects.toMatchObject({ code: 'node_lost' });
    await far.hears('request');
    far.end();
    await refused;
    await expect(own.request('drain', body, 60_000)).rejects.toMatchObject({ code: 'node_lost' });
  });

  test('that is larger than a message may be is refused here', async () => {
    const { far, line: own } = line();
    far.say(hello());
    const asked = own.request('slice', { data: 'x'.repeat(MAX_LINE_BYTES) }, 5_000);
    await expect(asked).rejects.toMatchObject({ code: 'message_too_large' });
  });
});

describe('a line ends', () => {
  test.each([126, 127])('with node_not_installed when the shell there says %d', async code => {
    const { far, line: own } = line();
    far.complain('sh: 1: exec: ccli: not found\n');
    far.end({ code });
    const error = await own.ended;
    expect(error).toMatchObject({ code: 'node_not_installed' });
    expect(error?.message).toContain('ccli bootstrap');
    expect(error?.message).toContain('not found');
  });

  test('with the last words of a program that said nothing else', async () => {
    const { far, line: own } = line();
    far.complain('something\nno such file\n');
    far.end({ code: 3 });
    const error = await own.ended;
    expect(error).toMatchObject({ code: 'remote_command_failed' });
    expect(error?.message).toContain('no such file');
  });

  test('with what the node itself said of it, however soon it ended then', async () => {
    const { far, line: own } = line();
    far.say({ kind: 'error', v: 1, error: toErrorBody(new CcliError('state_in_use', 'Somebody is there.')) });
    far.end({ code: 5 });
    expect(await own.ended).toMatchObject({ code: 'state_in_use', message: 'Somebody is there.' });
  });

  test('when it breaks off', async () => {
    const { far, line: own } = line();
    far.say(hello());
    far.breakOff(new Error('reset'));
    expect(await own.ended).toMatchObject({ code: 'ssh_connection_lost' });
  });

  test('when another node answers, which is a mistake in the configuration', async () => {
    const { far, line: own } = line();
    far.say(hello({ node: 'ash' }));
    const error = await own.ended;
    expect(error).toMatchObject({ code: 'config_invalid' });
    expect(error?.message).toContain('ssh.hosts');
  });

  test('when nothing is heard for too long', async () => {
    const { line: own } = line({ hello_timeout_ms: 20 });
    expect(await own.ended).toMatchObject({ code: 'ssh_timeout' });
  });

  test('when there is always something on it, and never a hello', async () => {
    const { far, line: own } = line({ hello_timeout_ms: 50 });
    const chatter = setInterval(() => {
      far.write('Still starting …\n');
    }, 5);
    onTestFinished(() => {
      clearInterval(chatter);
    });
    expect(await own.ended).toMatchObject({ code: 'ssh_timeout' });
  });

  test('without a reason when it is closed, and its process is killed when it does not end by itself', async () => {
    const polite = line();
    polite.far.say(hello());
    await polite.line.close();
    expect(await polite.line.ended).toBeUndefined();
    expect([polite.far.hungUp(), polite.far.killed()]).toEqual([true, false]);
    const stubborn = line({ stubborn: true });
    await stubborn.line.close();
    expect([stubborn.far.hungUp(), stubborn.far.killed()]).toEqual([true, true]);
  });
});
