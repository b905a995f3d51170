import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type CoordinatorConfig, loadCoordinatorConfig } from '../../coordinator/config.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function load(
  settings: Record<string, unknown>,
  environment: Record<string, string> = {},
): Promise<CoordinatorConfig> {
  const file = join(await temporaryDirectory(), 'coordinator.yaml');
  await writeFile(file, stringify(settings));
  return loadCoordinatorConfig(file, environment);
}

describe('the policy for agents that nobody has registered', () => {
  test('is to give them nothing, unless the file or the environment says otherwise', async () => {
    expect((await load({})).discovered).toBe('deny');
    expect((await load({ discovered: 'allow' })).discovered).toBe('allow');
    expect((await load({ discovered: 'deny' }, { CCLI_DISCOVERED: 'allow' })).discovered).toBe('allow');
    await expect(load({ discovered: 'maybe' })).rejects.toThrow('discovered: ');
  });
});

describe('fallback chains', () => {
  test('are kept by the agent or type asked for', async () => {
    const fallback = { cli_gemini: ['cli_qwen', 'ollama'], default: ['walnut-gemini'] };
    expect((await load({ fallback })).fallback).toEqual(fallback);
    expect((await load({})).fallback).toEqual({});
  });

  test.each([
    ['no names', { default: ['Not a name'] }, 'fallback.default.0'],
    ['nothing', { default: [] }, 'fallback.default'],
    ['too many', { default: Array.from({ length: 9 }, (_, index) => `a${index}`) }, 'fallback.default'],
    ['no list', { default: 'ollama' }, 'fallback.default'],
  ])('of %s are refused by name', async (_what, fallback, path) => {
    await expect(load({ fallback })).rejects.toThrow(`${path}: `);
  });
});
