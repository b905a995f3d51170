/** The Ollama server of both sides: the tests' stand-in, answering at once, in a process of its own. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnGuarded } from '../../coordinator/embedded/guardian.ts';
import { isProgram } from '../../protocol/daemon/entry.ts';
import { CcliError } from '../../protocol/errors.ts';
import { startOllamaStub } from '../support/ollama-stub.ts';

export const MODEL = 'llama3:latest';
export const ANSWER = 'Two and two make four.';

interface OllamaProcess {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startOllama(): Promise<OllamaProcess> {
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
    url: String(first[0]),
    async stop() {
      lines.close();
      await guarded.stop();
    },
  };
}

if (isProgram(import.meta.url)) {
  const stub = await startOllamaStub({ models: [MODEL], answer: () => ANSWER });
  process.stdout.write(`${stub.url}\n`);
}
