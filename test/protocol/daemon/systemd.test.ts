import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Log } from '../../../protocol/daemon/log.ts';
import { createServiceManager, type ServiceManager } from '../../../protocol/daemon/systemd.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const warnings: string[] = [];
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: event => warnings.push(event),
  error: () => undefined,
  child: () => log,
};

beforeEach(() => {
  warnings.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

interface Sent {
  readonly messages: string[][];
  /** Lets the message under way arrive. */
  readonly arrive: () => Promise<void>;
}

function manager(watchdog_us?: number): ServiceManager & Sent {
  vi.useFakeTimers();
  const messages: string[][] = [];
  let arrived = (): void => undefined;
  const made = createServiceManager({
    notify_socket: '/run/notify',
    watchdog_us,
    path: undefined,
    log,
    send: async variables => {
      messages.push([...variables]);
      await new Promise<void>(resolve => {
        arrived = resolve;
      });
    },
  });
  onTestFinished(async () => {
    arrived();
    await made.close();
  });
  return {
    ...made,
    messages,
    arrive: async () => {
      arrived();
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}

test('one message is under way at a time, and what gathers meanwhile goes with the next, newest first', async () => {
  const service = manager();
  service.ready('waiting');
  service.status('one');
  service.status('two\nlines');
  expect(service.messages).toEqual([['READY=1', 'STATUS=waiting']]);
  await service.arrive();
  expect(service.messages.slice(1)).toEqual([['STATUS=two lines']]);
});

test('only the first word of being ready counts', async () => {
  const service = manager();
  service.ready('early');
  await service.arrive();
  service.ready();
  expect(service.messages).toHaveLength(1);
});

test('the watchdog is told three times in its period, and not again while the last message is under way', async () => {
  const service = manager(3_000_000);
  service.ready();
  await service.arrive();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(service.messages.slice(1)).toEqual([['WATCHDOG=1']]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(service.messages).toHaveLength(2);
  await service.arrive();
  expect(service.messages).toHaveLength(3);
});

test('a start that takes long asks for more time until it is ready', async () => {
  const service = manager();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(service.messages).toEqual([['EXTEND_TIMEOUT_USEC=60000000']]);
  await service.arrive();
  service.ready();
  await service.arrive();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(service.messages).toHaveLength(2);
});

test('stopping says how long it may take', () => {
  const service = manager();
  service.stopping(75_000);
  expect(service.messages).toEqual([['STOPPING=1', 'STATUS=winding up', 'EXTEND_TIMEOUT_USEC=75000000']]);
});

test('what could not be sent is sent again with what comes next, but for a sign of life that is late', async () => {
  vi.useFakeTimers();
  const messages: string[][] = [];
  let is_busy = true;
  const service = createServiceManager({
    notify_socket: '/run/notify',
    watchdog_us: 30_000_000,
    path: undefined,
    log,
    send: variables => {
      messages.push([...variables]);
      return is_busy ? Promise.reject(new Error('timed out')) : Promise.resolve();
    },
  });
  service.ready('waiting');
  await vi.advanceTimersByTimeAsync(0);
  service.status('serving');
  await vi.advanceTimersByTimeAsync(0);
  expect(messages).toEqual([
    ['READY=1', 'STATUS=waiting'],
    ['READY=1', 'STATUS=serving'],
  ]);
  is_busy = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(messages.slice(2)).toEqual([['READY=1', 'STATUS=serving']]);
  is_busy = true;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(messages.slice(3)).toEqual([['WATCHDOG=1']]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(messages).toHaveLength(4);
  await service.close();
  expect(warnings).toEqual(['service_manager_not_told']);
});

test('where nobody listens nothing is said', async () => {
  const service = createServiceManager({ notify_socket: undefined, watchdog_us: 1, path: undefined, log });
  service.ready();
  service.stopping(1);
  await service.close();
  expect(warnings).toEqual([]);
});

test('a systemd-notify that is missing is told once, and stops nothing', async () => {
  const service = createServiceManager({ notify_socket: '/x', watchdog_us: 3_000, path: '/nowhere', log });
  service.ready();
  await waitFor(() => warnings.length > 0);
  service.status('again');
  await service.close();
  expect(warnings).toEqual(['service_manager_not_told']);
});

test('systemd-notify gets the message and the socket, and nothing else of our environment', async () => {
  const directory = await temporaryDirectory();
  const bin = join(directory, 'bin');
  const seen = join(directory, 'seen');
  await mkdir(bin);
  await writeFile(
    join(bin, 'systemd-notify'),
    `#!/bin/sh\n{ printf '%s\\n' "$@"; /usr/bin/env | /usr/bin/sort; } >${seen}.new; /bin/mv ${seen}.new ${seen}\n`,
  );
  await chmod(join(bin, 'systemd-notify'), 0o755);
  const service = createServiceManager({ notify_socket: '@socket', watchdog_us: undefined, path: bin, log });
  service.ready('all well');
  const lines = await waitFor(() => readFile(seen, 'utf8'));
  await service.close();
  const [ready, status, ...environment] = lines.trim().split('\n');
  expect([ready, status]).toEqual(['READY=1', 'STATUS=all well']);
  expect(environment.filter(line => !/^(PWD|_|SHLVL|OLDPWD)=/.test(line))).toEqual([
    'NOTIFY_SOCKET=@socket',
    `PATH=${bin}`,
  ]);
});
