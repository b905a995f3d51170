import { describe, expect, test } from 'vitest';
import { EXIT_MEANINGS } from '../../../protocol/errors.ts';
import { ccli } from './support/fake-io.ts';

const COMMANDS = [
  'up',
  'coordinator',
  'node-agent',
  'node drain',
  'node resume',
  'doctor',
  'bootstrap',
  'bench',
  'backup',
  'restore',
  'run',
  'submit',
  'coordinate',
  'task show',
  'task wait',
  'task tail',
  'task cancel',
  'task retry',
  'task list',
  'agents',
  'agents register',
  'agents update',
  'agents enable',
  'agents disable',
  'agents remove',
  'agents import',
  'agents test',
  'agents verify',
  'agents registration',
  'nodes',
  'status',
  'completion',
];

describe('help', () => {
  test('groups the commands and lists every exit code with its meaning', async () => {
    const { code, out, err } = await ccli(['--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const part of ['Fleet:', 'Tasks:', 'What there is:', 'Shell:', 'Examples:'])
      expect(out).toContain(part);
    for (const [exit, meaning] of Object.entries(EXIT_MEANINGS))
      expect(out).toMatch(new RegExp(`^ +${exit} +${meaning}$`, 'm'));
    expect(out).not.toContain('__complete');
  });

  test.each(COMMANDS)('of %s has examples', async command => {
    const { code, out } = await ccli([...command.split(' '), '--help']);
    expect(code).toBe(0);
    expect(out).toContain('Examples:\n  ');
    expect(out).toContain('ccli ' + command);
  });

  test('takes the place of a missing subcommand, with exit code 2', async () => {
    for (const argv of [[], ['task'], ['node']]) {
      const { code, out, err } = await ccli(argv);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toContain('Usage: ccli');
    }
  });

  test('the version is that of the package', async () => {
    const { code, out } = await ccli(['--version']);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
