import { describe, expect, test } from 'vitest';
import { objection, type Permission, termsWithin } from '../../../node-agent/core/ceilings.ts';
import type { AgentDefinition } from '../../../protocol/registration.ts';

const file = {
  max_concurrent: 4,
  priority: 1,
  specialty: ['kernel_dev' as const],
  labels: { rack: 'a' },
  expected_version: '^1',
};

describe('the terms of an agent', () => {
  test('are those of the file when nothing else is wanted', () => {
    const { expected_version, ...others } = file;
    expect(termsWithin(file, {})).toEqual({ ...others, enabled: true, pins: { file: expected_version } });
  });

  test('are what is wanted, except that the file caps the slots', () => {
    const wanted = {
      enabled: false,
      max_concurrent: 9,
      priority: -5,
      specialty: ['tester' as const],
      labels: {},
    };
    expect(termsWithin(file, { ...wanted, expected_version: '2.0.0' })).toEqual({
      ...wanted,
      max_concurrent: 4,
      pins: { file: '^1', registry: '2.0.0' },
    });
    expect(termsWithin(file, { max_concurrent: 0 }).max_concurrent).toBe(0);
  });

  test('have no pin where nobody names one', () => {
    const { expected_version: _pin, ...unpinned } = file;
    expect(termsWithin(unpinned, {}).pins).toEqual({});
  });
});

describe('a definition', () => {
  const permission: Permission = {
    named: new Set(['gemini']),
    endpoints: ['http://here:11434'],
    max_concurrent: 3,
  };
  const ollama = { endpoint: 'http://here:11434', model: 'llama3' };
  const refusal = (id: string, definition: AgentDefinition): string | undefined => {
    const error = objection(id, definition, permission);
    return error && `${error.code}: ${error.message}`;
  };

  test('of settings for an agent of the file, or of a model on a permitted server, is taken', () => {
    expect(refusal('gemini', { enabled: false, max_concurrent: 99 })).toBeUndefined();
    expect(refusal('llama', { ollama, max_concurrent: 3 })).toBeUndefined();
  });

  test.each<[string, string, AgentDefinition, RegExp]>([
    ['of settings for nobody', 'nobody', { priority: 1 }, /^agent_unknown: .*names no agent "nobody"/],
    [
      'that would replace what the file says',
      'gemini',
      { ollama },
      /^not_permitted: .*defines agent "gemini"/,
    ],
    [
      'on another server',
      'llama',
      { ollama: { ...ollama, endpoint: 'http://there:11434' } },
      /^not_permitted: .*http:\/\/there:11434; add it to permit\.ollama\.endpoints/,
    ],
    [
      'with more slots than are permitted',
      'llama',
      { ollama, max_concurrent: 4 },
      /^not_permitted: .*permits 3 slots .* 4 were asked for.*permit\.ollama\.max_concurrent/,
    ],
    [
      'with labels that no advert would hold',
      'gemini',
      { labels: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${String(index)}`, 'x'])) },
      /^not_permitted: .*more than 32 labels/,
    ],
  ])('%s is refused with a word on what would allow it', (_what, id, definition, expected) => {
    expect(refusal(id, definition)).toMatch(expected);
  });
});
