/** The file of API keys, and what a change of it does. */

import { createHash } from 'node:crypto';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseKeys } from '../../../coordinator/http/key-file.ts';
import { type Keys, openKeys } from '../../../coordinator/http/keys.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { keysFile } from './support/keys-file.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

async function open(file: string): Promise<{ keys: Keys; pass: (ms: number) => void; log: () => string }> {
  let now = 0;
  const lines: string[] = [];
  const log = createLog({ level: 'info', name: 'keys', to: { write: line => lines.push(line) } });
  const keys = await openKeys({ file, clock: () => now, log });
  return {
    keys,
    pass: ms => {
      now += ms;
    },
    log: () => lines.join(''),
  };
}

describe('a file of keys', () => {
  test('names whose key is whose, in the clear or by its hash', async () => {
    const { path } = await keysFile(
      `# keys\n\nada secret-key-of-ada\n  bob\tsha256:${sha256('secret-key-of-bob')}\r\n`,
    );
    const { keys } = await open(path);
    expect(await keys.callerOf('secret-key-of-ada')).toBe('ada');
    expect(await keys.callerOf('secret-key-of-bob')).toBe('bob');
    expect(await keys.callerOf(sha256('secret-key-of-bob'))).toBeUndefined();
    expect(await keys.callerOf('secret-key-of-eve')).toBeUndefined();
    expect(await keys.callerOf('')).toBeUndefined();
  });

  test('may give one caller several keys', async () => {
    const { path } = await keysFile('ada the-older-key-of-ada\nada the-newer-key-of-ada\n');
    const { keys } = await open(path);
    expect(await keys.callerOf('the-older-key-of-ada')).toBe('ada');
    expect(await keys.callerOf('the-newer-key-of-ada')).toBe('ada');
  });

  test.each([
    ['ada', 'line 1'],
    ['ada one two', 'line 1'],
    ['# fine\nAda Smith-key', 'line 2'],
    ['ada sha256:abc', 'line 1'],
    ['ada too-short', 'at least 16 characters'],
    ['', 'no key'],
    ['# nothing but this', 'no key'],
  ])('is refused when it is wrong: %j', (text, says) => {
    expect(() => parseKeys(text, 'keys')).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(says) as string }),
    );
  });

  test('never has its keys in an error', () => {
    expect(() => parseKeys('Ada very-secret', 'keys')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('very-secret') as string }),
    );
  });

  test('is refused when it is not there', async () => {
    await expect(open('/nowhere/keys')).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('is warned of when others can read it', async () => {
    const closed = await open((await keysFile('ada secret-key-of-ada')).path);
    expect(closed.log()).toBe('');
    const { path } = await keysFile('ada secret-key-of-ada');
    await chmod(path, 0o644);
    expect((await open(path)).log()).toContain('keys_file_open');
  });
});

describe('a file of keys that changes', () => {
  test('lets in who is new and keeps out who is gone, within a second', async () => {
    const { path, replace } = await keysFile('ada secret-key-of-ada\nbob secret-key-of-bob\n');
    const { keys, pass, log } = await open(path);
    await replace('bob secret-key-of-bob\neve secret-key-of-eve\n');
    pass(999);
    expect(await keys.callerOf('secret-key-of-ada')).toBe('ada');
    pass(1);
    expect(await keys.callerOf('secret-key-of-ada')).toBeUndefined();
    expect(await keys.callerOf('secret-key-of-eve')).toBe('eve');
    expect(await keys.callerOf('secret-key-of-bob')).toBe('bob');
    expect(log()).toContain('keys_reloaded');
    expect(log()).not.toContain('key-of');
  });

  test('keeps everybody out at once who asks while it is read', async () => {
    const { path, replace } = await keysFile('ada secret-key-of-ada\nbob secret-key-of-bob\n');
    const { keys, pass } = await open(path);
    await replace('bob secret-key-of-bob\n');
    pass(1_000);
    const asked = await Promise.all(Array.from({ length: 20 }, () => keys.callerOf('secret-key-of-ada')));
    expect(asked.every(caller => caller === undefined)).toBe(true);
  });

  test('is seen also when it is written in place, with as many bytes', async () => {
    const { path } = await keysFile('ada secret-key-of-ada\n');
    const { keys, pass } = await open(path);
    await writeFile(path, 'ada secret-key-of-eve\n');
    pass(1_000);
    expect(await keys.callerOf('secret-key-of-ada')).toBeUndefined();
    expect(await keys.callerOf('secret-key-of-eve')).toBe('ada');
  });

  test('leaves the keys of before when it is broken or gone, and says so once', async () => {
    const { path, replace } = await keysFile('ada secret-key-of-ada\n');
    const { keys, pass, log } = await open(path);
    const complaints = (): number => log().split('keys_not_reloaded').length - 1;
    await replace('what is this\n');
    for (let i = 0; i < 3; i += 1) {
      pass(1_000);
      expect(await keys.callerOf('secret-key-of-ada')).toBe('ada');
    }
    expect(complaints()).toBe(1);
    await rm(path);
    for (let i = 0; i < 3; i += 1) {
      pass(1_000);
      expect(await keys.callerOf('secret-key-of-ada')).toBe('ada');
    }
    expect(complaints()).toBe(2);
    await replace('ada the-newest-key-of-ada\n');
    pass(1_000);
    expect(await keys.callerOf('secret-key-of-ada')).toBeUndefined();
    expect(await keys.callerOf('the-newest-key-of-ada')).toBe('ada');
  });
});
