import { expect, test } from 'vitest';
import { runBriefly } from '../../../node-agent/briefly.ts';
import type { Driver, DriverTask, RunCallbacks } from '../../../node-agent/drivers/driver.ts';
import { NO_MODEL } from '../../../node-agent/verify/error.ts';
import { notBegun, runSuite } from '../../../node-agent/verify/suite.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { readAgent } from '../drivers/fixture.ts';

type Run = (task: DriverTask, say: RunCallbacks['onChunk'], signal: AbortSignal) => Promise<void> | void;

const { signal } = new AbortController();

const stopped = (told: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const stop = (): void => {
      reject(told.reason instanceof Error ? told.reason : new Error('stopped without a reason'));
    };
    told.addEventListener('abort', stop);
    if (told.aborted) stop();
  });

/** A tool as it should be. */
const good: Run = async ({ prompt, model }, say, told) => {
  if (model === NO_MODEL) throw new CcliError('model_not_found');
  if (prompt.startsWith('Count')) for (const word of ['one\n', 'two\n']) say(word);
  else if (prompt.startsWith('Write')) {
    say('Once upon');
    await stopped(told);
  } else if (prompt.includes('JSON')) say(prompt.slice(prompt.indexOf('{')));
  else say('OK');
};

/** What the suite finds, check by check: outcome, code of the error, detail. */
async function findings(over: Run | undefined, settings: Record<string, unknown> = {}) {
  const driver: Driver = {
    warm: true,
    probe: () => Promise.resolve({ signed_in: 'yes' }),
    async run(task, { onChunk }, told) {
      await (over ?? good)(task, onChunk, told);
      return { completeness: 'whole', warm: true };
    },
    close: () => Promise.resolve(),
  };
  const agent = await readAgent(await temporaryDirectory(), settings, {});
  const checks = await runSuite({
    agent,
    run: (prompt, more) => runBriefly(driver, { name: 'verify', prompt, limit_ms: 60_000, signal, ...more }),
  });
  return Object.fromEntries(
    checks.map(({ check, outcome, error, detail }) => [check, `${error?.code ?? outcome}: ${detail}`]),
  );
}

/** `run`, but for the prompts that begin so. */
const except =
  (start: string, run: Run): Run =>
  (task, say, told) =>
    task.prompt.startsWith(start) ? run(task, say, told) : good(task, say, told);

test('a tool as it should be passes every check', async () => {
  expect(await findings(undefined)).toEqual({
    prompt: 'passed: It answered "OK".',
    stream: 'passed: The answer came in 2 chunks.',
    cancel: expect.stringMatching(/^passed: It ended \d+ ms after it was told to\.$/) as string,
    error: 'passed: A model that does not exist fails with model_not_found.',
    json: 'passed: The document came back whole.',
  });
});

test('a tool that answers nothing fails by its own code, and is asked nothing more', async () => {
  const found = await findings(() => Promise.reject(new CcliError('cli_not_signed_in', 'Sign in.')));
  expect(found['prompt']).toBe('cli_not_signed_in: Sign in.');
  expect(Object.values(found).slice(1)).toEqual(
    Array.from({ length: 4 }, () => 'skipped: It did not answer the first prompt.'),
  );
});

test('an answer without text is no answer', async () => {
  expect(
    (
      await findings((_task, say) => {
        say(' \n');
      })
    )['prompt'],
  ).toMatch(/^empty_reply: /);
});

test('an answer in one piece fails, except from a tool that prints it at once', async () => {
  const whole = except('Count', (_task, say) => {
    say('one\ntwo\n');
  });
  expect((await findings(whole))['stream']).toMatch(/^cli_garbled: .*in one piece/);
  const printing = { agent_type: 'cli_generic', command: '/bin/cat' };
  expect((await findings(whole, printing))['stream']).toMatch(/^skipped: /);
});

test('a tool that had answered before it could be stopped proves nothing about a cancel', async () => {
  const quick = except('Write', (_task, say) => {
    say('The end.');
  });
  expect((await findings(quick))['cancel']).toMatch(/^skipped: /);
});

test('a tool that breaks when it is stopped fails with what it broke with', async () => {
  const broken = except('Write', async (_task, say, told) => {
    say('Once');
    await stopped(told).catch(() => undefined);
    throw new CcliError('cli_crashed');
  });
  expect((await findings(broken))['cancel']).toMatch(/^cli_crashed: /);
});

test.each<[string, Run, RegExp]>([
  [
    'answers all the same',
    (_task, say) => {
      say('Sure.');
    },
    /^cli_garbled: .*"Sure\."/,
  ],
  ['succeeds with nothing', () => undefined, /^empty_reply: /],
  ['fails without saying why', () => Promise.reject(new CcliError('internal')), /^internal: /],
])('a tool that %s when the model does not exist fails', async (_what, run, expected) => {
  const found = await findings((task, say, told) =>
    task.model === undefined ? good(task, say, told) : run(task, say, told),
  );
  expect(found['error']).toMatch(expected);
});

test('a tool that is told no model is not asked for a wrong one', async () => {
  const found = await findings(undefined, { agent_type: 'cli_generic', command: '/bin/cat' });
  expect(found['error']).toMatch(/^skipped: /);
});

test.each([
  ['in a code fence', (json: string) => `\`\`\`json\n${json}\n\`\`\``, /^passed: .*in a code fence/],
  [
    'with words around it',
    (json: string) => `Here you are: ${json}`,
    /^cli_garbled: .*not JSON: "Here you are/,
  ],
  ['with a part missing', () => '{"verified":true}', /^cli_garbled: .*another one .*verified/],
])('a document %s is judged for what it is', async (_what, wrap, expected) => {
  const wrapped = except('Reply with exactly', ({ prompt }, say) => {
    say(wrap(prompt.slice(prompt.indexOf('{'))));
  });
  expect((await findings(wrapped))['json']).toMatch(expected);
});

test('a tool that could not be made ready fails the first check and was not asked the others', () => {
  const checks = notBegun(new CcliError('cli_missing'));
  expect(checks.map(({ outcome }) => outcome)).toEqual([
    'failed',
    ...Array.from({ length: 4 }, () => 'skipped'),
  ]);
  expect(checks[0]?.error?.code).toBe('cli_missing');
});
