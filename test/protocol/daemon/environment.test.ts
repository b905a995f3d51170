import { expect, test } from 'vitest';
import { takeServiceVariables } from '../../../protocol/daemon/environment.ts';

test('what a service manager says is read once, and then gone for every child', () => {
  const environment = {
    PATH: '/bin',
    NOTIFY_SOCKET: '/run/notify',
    WATCHDOG_USEC: '3000000',
    WATCHDOG_PID: '42',
    CREDENTIALS_DIRECTORY: '/run/c',
  };
  expect(takeServiceVariables(environment, 42)).toEqual({
    notify_socket: '/run/notify',
    watchdog_us: 3_000_000,
    path: '/bin',
  });
  // The settings still need to find credentials.
  expect(environment).toEqual({ PATH: '/bin', CREDENTIALS_DIRECTORY: '/run/c' });
});

test.each([
  [{}, undefined],
  [{ WATCHDOG_USEC: '3000000' }, 3_000_000],
  [{ WATCHDOG_USEC: '3000000', WATCHDOG_PID: '41' }, undefined],
  [{ WATCHDOG_USEC: 'soon' }, undefined],
  [{ WATCHDOG_USEC: '0' }, undefined],
])('of %j the watchdog of process 42 is %j', (environment, watchdog_us) => {
  expect(takeServiceVariables(environment, 42).watchdog_us).toBe(watchdog_us);
});
