import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { reconnectOptions } from '../../../protocol/daemon/reconnect.ts';
import { stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const HOUR_MS = 3_600_000;
const HOOK = pathToFileURL(join(import.meta.dirname, '..', '..', 'support', 'clock-step.mjs')).href;

/** Servers as the library tells of them, the one to be dialled first. */
const servers = (...last_dials: number[]) =>
  last_dials.map((lastConnect, index) => ({
    hostname: '127.0.0.1',
    port: 4222 + index,
    listen: `127.0.0.1:${4222 + index}`,
    src: `127.0.0.1:${4222 + index}`,
    tlsName: '',
    reconnects: 0,
    lastConnect,
    gossiped: false,
    didConnect: true,
  }));

test('a daemon whose clock is set back or forward by an hour comes back to NATS as soon as it can', async () => {
  const fleet = await stage();
  const offset = join(await temporaryDirectory(), 'offset');
  const { daemon, proxy } = await fleet.node({
    environment: { NODE_OPTIONS: `--import=${HOOK}`, CLOCK_OFFSET_FILE: offset },
  });
  const times = (event: string): number[] =>
    daemon
      .log()
      .split('\n')
      .filter(line => line.includes(`"event":"${event}"`))
      .map(line => Date.parse(/"time":"([^"]+)"/.exec(line)?.[1] ?? ''));
  const hoursOff = (at_ms = Number.NaN): number => Math.round((at_ms - Date.now()) / HOUR_MS);

  for (const [turn, hours] of [-1, -2, 1, -3].entries()) {
    await writeFile(offset, String(hours * HOUR_MS));
    daemon.signal('SIGCONT');
    await waitFor(
      () => {
        // Something the daemon logs at once, and so tells what time it thinks it is.
        fleet.connection.publish('ccli.node.walnut.status', '', { reply: 'foreign' });
        return hoursOff(times('foreign_reply_subject').at(-1)) === hours;
      },
      { what: `a clock ${hours} hours off` },
    );
    proxy.cut();
    await waitFor(() => times('nats_disconnected').length > turn, { what: 'the loss of the line' });
    proxy.restore();
    await waitFor(() => times('nats_reconnected').length > turn, { what: `coming back ${hours} hours off` });
  }
});

test('dials are a second or two apart, on a clock that goes on and on one set forward', () => {
  let now = 10_000;
  let random = 0;
  const { reconnectDelayHandler, reconnectToServer } = reconnectOptions({
    now: () => now,
    random: () => random,
  });
  expect(reconnectDelayHandler()).toBe(1_000);
  expect(reconnectToServer(servers(0), null)).toBeNull();
  random = 0.999;
  expect(reconnectDelayHandler()).toBe(1_999);
  now += HOUR_MS;
  expect(reconnectDelayHandler()).toBe(1_999);
});

test('on a clock set back each server is dialled once without a pause, then they pause again', () => {
  let now = HOUR_MS + 10_000;
  const { reconnectDelayHandler, reconnectToServer } = reconnectOptions({
    now: () => now,
    random: () => 0,
  });
  reconnectToServer(servers(0, 0), null);
  const first = now;
  now += 1_000;
  reconnectToServer(servers(0, first), null);
  const second = now;
  now -= HOUR_MS;
  expect(reconnectDelayHandler()).toBe(Number.NEGATIVE_INFINITY);
  reconnectToServer(servers(first, second), null);
  const third = now;
  expect(reconnectDelayHandler()).toBe(Number.NEGATIVE_INFINITY);
  reconnectToServer(servers(second, third), null);
  expect(reconnectDelayHandler()).toBe(1_000);
});
