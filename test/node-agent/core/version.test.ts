import { describe, expect, test } from 'vitest';
import { fits, mismatch } from '../../../node-agent/core/version.ts';

describe('a version', () => {
  test.each([
    ['0.61.0', '0.61.0'],
    ['v0.61.0', '0.61.0'],
    ['0.61.3', '^0.61.0'],
    ['0.61.0', '>=0.60 <0.62'],
    ['0.61.0', '0.61'],
    ['0.61.0', '0.60.x || 0.61.x'],
    ['0.61.1-preview.2', '^0.61.0'],
    ['0.61.0-preview.2', '^0.61.0'],
    ['0.62.0-nightly.20261101', '>=0.61'],
    ['0.61.0-preview.2', '0.61.0-preview.2'],
    ['build 4711', 'build 4711'],
    ['2026.11', ' 2026.11 '],
  ])('%s fits the pin "%s"', (found, expected) => {
    expect(fits(found, expected)).toBe(true);
  });

  test.each([
    ['0.61.0', '^0.62'],
    ['0.62.0', '^0.61.0'],
    ['0.62.0-preview.1', '^0.61.0'],
    ['0.61.0-preview.1', '0.61.0'],
    ['0.61.1', '0.61.0'],
    ['build 4711', 'build 4712'],
    ['codex-cli 0.42.0', '0.42.0'],
    ['0.61.0', 'latest'],
  ])('%s does not fit the pin "%s"', (found, expected) => {
    expect(fits(found, expected)).toBe(false);
  });
});

test('a mismatch says what was found and what it is pinned to', () => {
  expect(mismatch('0.61.0', { registry: '^0.62' })).toMatchObject({
    code: 'version_mismatch',
    message: expect.stringContaining('Found 0.61.0, pinned to ^0.62') as string,
  });
});

test('an unknown version fits no pin, and anything goes without one', () => {
  expect(mismatch(undefined, { file: '*' })?.code).toBe('version_mismatch');
  expect(mismatch(undefined, {})).toBeUndefined();
  expect(mismatch('0.61.0', {})).toBeUndefined();
  expect(mismatch('0.61.0', { registry: '*' })).toBeUndefined();
});

test('a pin of the registry narrows that of the file, and never loosens it', () => {
  expect(mismatch('1.2.3', { file: '^1', registry: '~1.2' })).toBeUndefined();
  const both = 'pinned to ^1 by the file of its node and to * by the registry';
  expect(mismatch('2.0.0', { file: '^1', registry: '*' })?.message).toContain(both);
  expect(mismatch('1.3.0', { file: '^1', registry: '~1.2' })?.code).toBe('version_mismatch');
  expect(mismatch('2.0.0', { file: '^1', registry: '^1' })?.message).toContain('Found 2.0.0, pinned to ^1;');
});
