/** The model that both sides ask: the tests' stub, answering at once, in a process of its own. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnGuarded } from '../../../coordinator/embedded/guardian.ts';
import { isProgram } from '../../../protocol/daemon/entry.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { startGeminiStub } from '../../support/gemini-stub.ts';

export const PROMPT = 'What is 2+2?';
export const ANSWER = 'Two and two make four.';

interface Model {
  /** What a CLI needs in its environment to ask it. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startModel(): Promise<Model> {
  const guarded = spawnGuarded({
    command: process.execPath,
    args: [fileURLToPath(import.meta.url)],
    environment: {},
    output: 'pipe',
    grace_s: 2,
  });
  if (guarded.stdout === null) throw new CcliError('internal', 'The model has no output to read.');
  const lines = createInterface({ input: guarded.stdout });
  const first = await Promise.race([once(lines, 'line'), guarded.exited]);
  if (!Array.isArray(first)) throw new CcliError('start_failed', 'The stub model did not start.');
  return {
    environment: { GOOGLE_GEMINI_BASE_URL: String(first[0]), GEMINI_API_KEY: 'stub-key' },
    async stop() {
      lines.close();
      await guarded.stop();
    },
  };
}

if (isProgram(import.meta.url)) {
  const stub = await startGeminiStub({ answer: () => ANSWER });
  process.stdout.write(`${stub.url}\n`);
}
