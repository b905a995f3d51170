import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { judgeHostKey, knownTypes } from '../../../coordinator/ssh/judge-host-key.ts';
import { isFor, type KnownHost, parseKnownHosts } from '../../../coordinator/ssh/known-hosts.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const run = promisify(execFile);

/** A key that is none, in the shape of one. */
function key(type: string, body: string): string {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), Buffer.from(body)]).toString('base64');
}
const ED = key('ssh-ed25519', 'one');
const ED2 = key('ssh-ed25519', 'two');
const RSA = key('ssh-rsa', 'three');

const parse = (text: string): readonly KnownHost[] => parseKnownHosts(text, '/known_hosts');

test('comments, empty lines and lines that make no sense are left out', () => {
  const lines = [
    '# comment',
    '',
    'walnut',
    `walnut ssh-ed25519`,
    `walnut ssh-rsa ${ED}`,
    `@unheard-of walnut ssh-ed25519 ${ED}`,
    `  walnut   ssh-ed25519 ${ED} a comment`,
  ];
  expect(parse(lines.join('\n'))).toEqual([
    { marker: undefined, hosts: 'walnut', type: 'ssh-ed25519', key: ED, file: '/known_hosts', line: 7 },
  ]);
});

describe('a line is for a host', () => {
  test.each([
    ['walnut', 'walnut', true],
    ['Walnut', 'walnut', true],
    ['walnut', 'walnut2', false],
    ['a,walnut,b', 'walnut', true],
    ['*.example.com', 'walnut.example.com', true],
    ['*.example.com', 'example.com', false],
    ['wal?ut', 'walnut', true],
    ['*,!walnut', 'walnut', false],
    ['*,!walnut', 'hazel', true],
    ['!walnut', 'hazel', false],
    ['[walnut]:2222', '[walnut]:2222', true],
    ['walnut', '[walnut]:2222', false],
    ['[*]:2222', '[walnut]:2222', true],
    ['[w]:2222', 'w', false],
    ['a.b', 'axb', false],
    ['|1|broken', 'walnut', false],
    ['|2|AAAA|AAAA', 'walnut', false],
  ])('%s for %s: %s', (hosts, name, fits) => {
    const [entry] = parse(`${hosts} ssh-ed25519 ${ED}`);
    expect(entry !== undefined && isFor(entry, name)).toBe(fits);
  });

  test('also when ssh-keygen has hashed it', async ({ skip }) => {
    await run('ssh-keygen', ['-?']).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        skip('needs ssh-keygen: hashes are made by it');
    });
    const directory = await temporaryDirectory();
    const file = join(directory, 'known_hosts');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, 'key')]);
    const public_key = await readFile(join(directory, 'key.pub'), 'utf8');
    await writeFile(file, `walnut ${public_key}[hazel]:2222 ${public_key}`);
    await run('ssh-keygen', ['-q', '-H', '-f', file]);
    const entries = parse(await readFile(file, 'utf8'));
    expect(entries.every(({ hosts }) => hosts.startsWith('|1|'))).toBe(true);
    const lines = (name: string): number[] => entries.filter(one => isFor(one, name)).map(({ line }) => line);
    expect([lines('walnut'), lines('[hazel]:2222'), lines('hazel')]).toEqual([[1], [2], []]);
  });
});

describe('the key that a host shows is', () => {
  const shown = { type: 'ssh-ed25519', key: ED };
  test.each<[string, string, readonly string[]]>([
    ['known', `walnut ssh-ed25519 ${ED}`, ['walnut']],
    ['known', `walnut ssh-ed25519 ${ED2}\nwalnut ssh-ed25519 ${ED}`, ['walnut']],
    // A line without the port confirms, as it does for OpenSSH.
    ['known', `walnut ssh-ed25519 ${ED}`, ['[walnut]:2222', 'walnut']],
    ['unknown', `walnut ssh-ed25519 ${ED2}`, ['[walnut]:2222', 'walnut']],
    // The port has a key of its own: another machine's may be known without it.
    ['changed', `[walnut]:2222 ssh-ed25519 ${ED2}\nwalnut ssh-ed25519 ${ED}`, ['[walnut]:2222', 'walnut']],
    ['known', `[walnut]:2222 ssh-ed25519 ${ED}\nwalnut ssh-ed25519 ${ED2}`, ['[walnut]:2222', 'walnut']],
    [
      'revoked',
      `[walnut]:2222 ssh-ed25519 ${ED}\n@revoked walnut ssh-ed25519 ${ED}`,
      ['[walnut]:2222', 'walnut'],
    ],
    ['revoked', `walnut ssh-ed25519 ${ED}\n@revoked * ssh-ed25519 ${ED}==`, ['walnut']],
    ['known', `walnut ssh-ed25519 ${ED}\r\n`, ['walnut']],
    ['unknown', `hazel ssh-ed25519 ${ED}`, ['walnut']],
    ['unknown', '', ['walnut']],
    ['changed', `walnut ssh-ed25519 ${ED2}`, ['walnut']],
    // It has other keys than those that are known: nobody adds this one without a second look.
    ['changed', `walnut ssh-rsa ${RSA}`, ['walnut']],
    ['revoked', `walnut ssh-ed25519 ${ED}\n@revoked * ssh-ed25519 ${ED}`, ['walnut']],
    ['known', `walnut ssh-ed25519 ${ED}\n@revoked * ssh-ed25519 ${ED2}`, ['walnut']],
    ['known', `walnut ssh-ed25519 ${ED}\n@revoked hazel ssh-ed25519 ${ED}`, ['walnut']],
    ['authority', `@cert-authority * ssh-ed25519 ${ED}`, ['walnut']],
    ['known', `@cert-authority * ssh-ed25519 ${ED2}\nwalnut ssh-ed25519 ${ED}`, ['walnut']],
  ])('%s by %j', (kind, text, names) => {
    expect(judgeHostKey(parse(text), names, shown).kind).toBe(kind);
  });

  test('changed against the key of its type first', () => {
    const text = `walnut ssh-rsa ${RSA}\nwalnut ssh-ed25519 ${ED2}`;
    expect(judgeHostKey(parse(text), ['walnut'], shown)).toMatchObject({ known: [{ line: 2 }, { line: 1 }] });
  });
});

test('the types of key by which a host is known leave out marked lines', () => {
  const text = `walnut ssh-rsa ${RSA}\n@revoked walnut ssh-ed25519 ${ED}\nhazel ssh-ed25519 ${ED2}`;
  expect(knownTypes(parse(text), ['walnut'])).toEqual(['ssh-rsa']);
});
