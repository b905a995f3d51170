/** The model behind the real gemini CLI: answers as the prompt says, and keeps the same log as the tools. */
import { randomBytes } from 'node:crypto';
import { type GeminiStub, type StubAnswer, startGeminiStub } from '../support/gemini-stub.ts';
import { logRun, takeRun } from './run-log.ts';
import { readPrompt } from './script.ts';
import { answerOf, sha256 } from './tools/answer.ts';

export const MODEL = 'gemini-2.5-flash';

export const startModel = (directory: string): Promise<GeminiStub> =>
  startGeminiStub({ answer: ({ prompt }) => answer(directory, prompt) });

function answer(directory: string, prompt: string): StubAnswer {
  const script = readPrompt(prompt);
  if (script === undefined) return 'ready';
  const { run, kind } = takeRun(directory, script);
  const text = answerOf(randomBytes(6).toString('hex'), script.bytes);
  const log = { n: script.n, run, by: 'model', kind, bytes: Buffer.byteLength(text), at_ms: Date.now() };
  logRun(directory, { ...log, ...(kind === 'ok' && { sha256: sha256(text) }) });
  if (kind === 'limited') return limited;
  if (kind === 'overloaded')
    return { status: 503, message: 'The model is overloaded. Please try again later.' };
  const characters = Array.from(text);
  const half = Math.ceil(characters.length / 2);
  return {
    text: [characters.slice(0, half).join(''), characters.slice(half).join('')].filter(part => part !== ''),
  };
}

/** The API's words for a limit that is soon over. */
const limited: StubAnswer = {
  status: 429,
  message: 'You exceeded your current quota, please check your plan and billing details. Please retry in 1s.',
  details: [
    {
      '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
      violations: [
        {
          quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
          quotaId: 'GenerateRequestsPerMinutePerProjectPerModel-FreeTier',
          quotaValue: '5',
        },
      ],
    },
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' },
  ],
};
