/** What the real gemini hands on of the API's refusals, warm and cold: the code, and the pause that is asked for. */
import { expect, it, onTestFinished } from 'vitest';
import { failures } from '../../support/gemini-failures.ts';
import { inTurn, late, perPrompt } from '../../support/gemini-script.ts';
import { gate, type StubAnswer, startGeminiStub } from '../../support/gemini-stub.ts';
import { ask, failure, makeDriver } from './fixture.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

type Ending = readonly [name: string, answer: StubAnswer, code: string, retry_after_ms: number | undefined];

const endings: readonly Ending[] = [
  ['a limit by the minute', failures.minute, 'rate_limited', 12_345.678901],
  ['the same without a hint', failures.minuteWithoutHint, 'rate_limited', MINUTE],
  ['a limit by the day, whatever pause it names', failures.day, 'quota_exhausted', HOUR],
  ['a model that is not in the plan', failures.notInPlan, 'quota_exhausted', HOUR],
  ['nothing but a delay', failures.delayAlone, 'rate_limited', 37_500],
  ['a delay of hours', failures.longDelay, 'quota_exhausted', 2 * HOUR],
  ['nothing but the status', failures.bare, 'rate_limited', MINUTE],
  ['an overload', failures.overloaded, 'model_unavailable', undefined],
  ['an overload with a hint', failures.overloadedWithHint, 'model_unavailable', 37_000],
  ['a failure inside the service', failures.internal, 'model_unavailable', undefined],
];

it('a warm gemini tells each limit and overload apart, and is none the worse for it', async () => {
  const stub = await startGeminiStub();
  onTestFinished(() => stub.close());
  const { driver } = await makeDriver({ environment: stub.environment });
  const found: unknown[] = [];
  for (const [name, answer] of endings) {
    stub.answer(inTurn(answer));
    const { code, retry_after_ms } = await failure(ask(driver, 'hello'));
    found.push([name, code, retry_after_ms]);
  }
  expect(found).toEqual(endings.map(([name, , code, retry_after_ms]) => [name, code, retry_after_ms]));
  // One request a prompt: the CLI does not wait and try by itself.
  expect(stub.requests).toHaveLength(endings.length);
});

it.each(endings)('a cold gemini tells %s', async (_name, answer, code, retry_after_ms) => {
  const stub = await startGeminiStub({ answer: inTurn(answer) });
  onTestFinished(() => stub.close());
  const { driver } = await makeDriver({ agent: { driver: 'headless' }, environment: stub.environment });
  const error = await failure(ask(driver, 'hello'));
  expect([error.code, error.retry_after_ms]).toEqual([code, retry_after_ms]);
  expect(stub.requests).toHaveLength(1);
});

it('a script may fail for a while, hold an answer, cut it or leave it out', async () => {
  const held = gate();
  const stub = await startGeminiStub({
    answer: perPrompt({
      flaky: inTurn(failures.overloaded, failures.minute, 'at last'),
      held: late(held.opened, 'there'),
      cut: inTurn({ text: ['half of'], finish_reason: null }),
      nothing: inTurn({ empty: true }),
    }),
  });
  onTestFinished(() => stub.close());
  const { driver } = await makeDriver({ agent: { max_concurrent: 4 }, environment: stub.environment });
  const waiting = ask(driver, 'held back');
  expect((await failure(ask(driver, 'flaky'))).code).toBe('model_unavailable');
  expect((await failure(ask(driver, 'flaky'))).code).toBe('rate_limited');
  expect((await ask(driver, 'flaky')).text).toBe('at last');
  expect((await failure(ask(driver, 'cut'))).code).toBe('reply_truncated');
  expect((await failure(ask(driver, 'nothing'))).code).toBe('empty_reply');
  held.open();
  expect((await waiting).text).toBe('there');
  expect((await ask(driver, 'hello')).text).toBe('echo: hello');
});

it.each(['acp', 'headless'])('gemini by %s shows that it is at work before it says a word', async driver => {
  const held = gate();
  const stub = await startGeminiStub({
    answer: late(held.opened, { text: ['done'], thought: '**Hm** well' }),
  });
  onTestFinished(() => stub.close());
  const { driver: gemini } = await makeDriver({ agent: { driver }, environment: stub.environment });
  let signs = 0;
  const run = ask(gemini, 'hello', { onActivity: () => (signs += 1) });
  await stub.received(1);
  const before = signs;
  held.open();
  expect((await run).text).toBe('done');
  expect(before).toBeGreaterThan(0);
  expect(signs).toBeGreaterThan(before);
});
