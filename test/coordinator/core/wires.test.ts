import { describe, expect, test } from 'vitest';
import {
  heardOnLine,
  heardOnNats,
  isLined,
  isOffNats,
  lineEnded,
  NO_WIRES,
  natsSilence,
} from '../../../coordinator/core/wires.ts';
import { advertOf } from '../../support/advert.ts';

const advert = advertOf({ interval_ms: 1_000 });
const at = (now_ms: number, since_ms = 0) => ({ now_ms, since_ms });

describe('a node', () => {
  test('is off NATS once three of its intervals have passed in silence, and not a moment before', () => {
    const wires = heardOnNats(NO_WIRES, advert, 500);
    expect(isOffNats(wires, at(3_500))).toBe(false);
    expect(isOffNats(wires, at(3_501))).toBe(true);
  });

  test('that was never heard of is off NATS after three intervals of listening', () => {
    expect(isOffNats(NO_WIRES, at(15_000))).toBe(false);
    expect(isOffNats(NO_WIRES, at(15_001))).toBe(true);
  });

  test('is not held to a silence that we could not have heard', () => {
    const wires = heardOnNats(NO_WIRES, advert, 0);
    expect(natsSilence(wires, at(60_000, 59_000))).toBe(1_000);
    expect(isOffNats(wires, at(60_000, 59_000))).toBe(false);
  });

  test('heard over a line while NATS brings it as well is not reached by the line alone', () => {
    const both = heardOnLine(heardOnNats(NO_WIRES, advert, 0), advert, 1_000, at(1_000));
    expect(both.by_line).toBe(false);
    expect(isLined(both, 1_000)).toBe(true);
    expect(heardOnLine(both, advert, 4_000, at(4_000)).by_line).toBe(true);
  });

  test('reached by a line stays so until NATS brings an advert, whatever else we begin to hear', () => {
    const lined = heardOnLine(NO_WIRES, advert, 0, at(0));
    expect(lined.by_line).toBe(true);
    const later = heardOnLine(lined, advert, 10_000, at(10_000, 9_999));
    expect(lineEnded(later).by_line).toBe(true);
    expect(heardOnNats(later, advert, 10_001).by_line).toBe(false);
  });

  test('whose line has ended, or fell silent, is not lined', () => {
    const lined = heardOnLine(NO_WIRES, advert, 0, at(0));
    expect(isLined(lined, 3_000)).toBe(true);
    expect(isLined(lined, 3_001)).toBe(false);
    expect(isLined(lineEnded(lined), 0)).toBe(false);
  });
});

describe('a last word', () => {
  const leaving = { ...advert, leaving: true };

  test('of a daemon, over NATS or over a line, means that it has left', () => {
    expect(heardOnNats(NO_WIRES, leaving, 0).left).toBe(true);
    expect(heardOnLine(NO_WIRES, leaving, 0, at(0))).toMatchObject({ left: true });
  });

  test('of a stand-in does not: its daemon may be on its way', () => {
    const ended = heardOnLine(NO_WIRES, { ...leaving, stand_in: true }, 0, at(0));
    expect(ended.left).toBe(false);
    expect(isLined(ended, 0)).toBe(false);
  });

  test('is forgotten at the next one', () => {
    const left = heardOnNats(NO_WIRES, leaving, 0);
    expect(heardOnNats(left, advert, 1).left).toBe(false);
    expect(heardOnLine(left, advert, 1, at(1)).left).toBe(false);
  });
});
