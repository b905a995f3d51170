import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  localEndpoint,
  ollamaEndpoints,
  rememberedEndpoints,
} from '../../../coordinator/embedded/ollama-endpoints.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test.each([
  [undefined, 'http://127.0.0.1:11434'],
  ['', 'http://127.0.0.1:11434'],
  ['0.0.0.0', 'http://127.0.0.1:11434'],
  ['0.0.0.0:8080', 'http://127.0.0.1:8080'],
  ['[::]:8080', 'http://127.0.0.1:8080'],
  [':8080', 'http://127.0.0.1:8080'],
  ['gpu', 'http://gpu:11434'],
  ['gpu:8080', 'http://gpu:8080'],
  ['[::1]:8080', 'http://[::1]:8080'],
  ['http://gpu:8080/', 'http://gpu:8080'],
  ['http://gpu', 'http://gpu:80'],
  ['https://gpu', 'https://gpu:443'],
  ['not a host', 'http://127.0.0.1:11434'],
  ['http://user:secret@gpu:8080', 'http://127.0.0.1:11434'],
])('OLLAMA_HOST %s is reached at %s', (OLLAMA_HOST, url) => {
  expect(localEndpoint({ OLLAMA_HOST })).toBe(url);
});

test('the servers named come after this host’s own, each once', () => {
  expect(ollamaEndpoints({}, ['http://gpu:11434/', 'http://gpu:11434', 'http://127.0.0.1:11434'])).toEqual([
    'http://127.0.0.1:11434',
    'http://gpu:11434',
  ]);
});

test('a server whose address is none is refused', () => {
  expect(() => ollamaEndpoints({}, ['gpu'])).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining('"gpu"') as string }),
  );
});

test('the servers named at an earlier start in the same state directory are permitted at the next one too', async () => {
  const directory = await temporaryDirectory();
  expect(await rememberedEndpoints(directory, [])).toEqual([]);
  await rememberedEndpoints(directory, ['http://gpu:11434/']);
  expect(await rememberedEndpoints(directory, [])).toEqual(['http://gpu:11434']);
  expect(await rememberedEndpoints(directory, ['http://oak:11434', 'http://gpu:11434'])).toEqual([
    'http://gpu:11434',
    'http://oak:11434',
  ]);
  expect(await rememberedEndpoints(await temporaryDirectory(), [])).toEqual([]);
});

test('a server whose address is none is not remembered, and a file that was spoilt by hand is named and kept', async () => {
  const directory = await temporaryDirectory();
  await expect(rememberedEndpoints(directory, ['gpu'])).rejects.toMatchObject({ code: 'config_invalid' });
  expect(await rememberedEndpoints(directory, [])).toEqual([]);
  const file = join(directory, 'ollama-endpoints.json');
  await writeFile(file, '["http://gpu:11434",]');
  await expect(rememberedEndpoints(directory, ['http://oak:11434'])).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining(file) as string,
  });
  expect(await readFile(file, 'utf8')).toBe('["http://gpu:11434",]');
});
