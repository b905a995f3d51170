import { describe, expect, test } from 'vitest';
import { refuseFinding } from '../../coordinator/probe-finding.ts';
import type { ProbeReply } from '../../protocol/control.ts';
import { CcliError } from '../../protocol/errors.ts';
import { advertisedAgent } from '../support/candidate.ts';

const found = (over: Partial<ProbeReply> = {}): ProbeReply => ({
  ...advertisedAgent().status,
  cli_version: '0.61.0',
  ...over,
});

const outcome = (reply: ProbeReply): string => {
  try {
    refuseFinding('walnut', reply);
    return 'registered';
  } catch (error) {
    return error instanceof CcliError ? `${error.code}: ${error.message}` : 'something else';
  }
};

const body = (code: 'cli_missing' | 'rate_limited', message: string) => ({
  code,
  message,
  retryable: false,
});

describe('a probe', () => {
  test('that found all well lets the agent be registered', () => {
    expect(outcome(found())).toBe('registered');
    expect(outcome(found({ enabled: false }))).toBe('registered');
  });

  test('that found the CLI missing refuses with that', () => {
    const problem = body('cli_missing', 'No gemini on the PATH.');
    expect(outcome(found({ health: 'unavailable', problem }))).toBe(
      'cli_missing: walnut-gemini on walnut was not registered. No gemini on the PATH.',
    );
  });

  test('whose canary failed refuses with what became of it', () => {
    expect(outcome(found({ canary_error: body('rate_limited', 'Slow down.') }))).toBe(
      'rate_limited: walnut-gemini on walnut was not registered. The canary prompt failed: Slow down.',
    );
  });

  test('of a tool that is still starting asks to try again', () => {
    expect(outcome(found({ health: 'starting' }))).toContain('agent_starting: ');
  });
});
