import { describe, expect, it } from 'vitest';
import {
  afterFailure,
  afterSuccess,
  BREAKER_LIMITS,
  type Breaker,
  beginTrial,
  CLOSED,
  passTrial,
} from '../../../node-agent/core/breaker.ts';

const failures = (breaker: Breaker, ...times: readonly number[]): Breaker =>
  times.reduce((state, at) => afterFailure(state, at), breaker);
const { pause_ms, max_pause_ms, window_ms } = BREAKER_LIMITS;

describe('a breaker', () => {
  it('opens with the third failure in a row', () => {
    expect(failures(CLOSED, 1, 2).phase).toBe('closed');
    expect(failures(CLOSED, 1, 2, 3)).toEqual({ phase: 'open', until: 3 + pause_ms, openings: 1 });
  });

  it('forgets failures that are long past, and those before a success', () => {
    expect(failures(CLOSED, 0, 1, window_ms).phase).toBe('closed');
    expect(failures(CLOSED, 0, 1, window_ms, window_ms).phase).toBe('open');
    expect(failures(afterSuccess(failures(CLOSED, 1, 2)), 3, 4).phase).toBe('closed');
  });

  it('pauses twice as long after each trial that fails, up to a limit', () => {
    let breaker = failures(CLOSED, 0, 0, 0);
    const pauses: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      if (breaker.phase === 'open') pauses.push(breaker.until);
      breaker = afterFailure(beginTrial(breaker), 0);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 10, 10].map(minutes => minutes * pause_ms));
    expect(pauses.at(-1)).toBe(max_pause_ms);
  });

  it('is on probation after a trial: one failure opens it again, a success ends that', () => {
    const back = passTrial(beginTrial(failures(CLOSED, 0, 0, 0)));
    expect(back).toEqual({ phase: 'closed', failed_at: [], openings: 1 });
    expect(afterFailure(back, 5)).toEqual({ phase: 'open', until: 5 + 2 * pause_ms, openings: 2 });
    expect(afterSuccess(back)).toEqual(CLOSED);
  });

  it('is not moved by what was begun before it opened', () => {
    const open = failures(CLOSED, 0, 0, 0);
    expect(afterFailure(open, 9)).toBe(open);
    expect(afterSuccess(open)).toBe(open);
    expect(passTrial(open)).toBe(open);
    expect(beginTrial(CLOSED)).toBe(CLOSED);
  });
});
