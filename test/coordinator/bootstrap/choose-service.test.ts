import { expect, test } from 'vitest';
import { chooseService } from '../../../coordinator/bootstrap/service/choose.ts';

const facts = (system: boolean, may_be_root: boolean) => ({
  systemd: { version: 252, system, user: false, linger: undefined },
  may_be_root,
});
const choice = { asked: 'auto', installed: undefined, host: 'walnut' } as const;

test('a unit of the system where root can be had, else of the user, else a process', () => {
  expect(chooseService({ ...choice, facts: facts(true, true) })).toBe('system');
  expect(chooseService({ ...choice, facts: facts(true, false) })).toBe('user');
  expect(chooseService({ ...choice, facts: facts(false, true) })).toBe('process');
});

test('what is installed stays, and another kind must be asked for by an uninstall first', () => {
  expect(chooseService({ ...choice, installed: 'user', facts: facts(true, true) })).toBe('user');
  expect(() =>
    chooseService({ ...choice, asked: 'system', installed: 'user', facts: facts(true, true) }),
  ).toThrow(/--uninstall/);
});

test('what a host cannot have is refused with what it can', () => {
  expect(() => chooseService({ ...choice, asked: 'user', facts: facts(false, true) })).toThrow(
    /--service process/,
  );
  expect(() => chooseService({ ...choice, asked: 'system', facts: facts(true, false) })).toThrow(
    /--service user/,
  );
});
