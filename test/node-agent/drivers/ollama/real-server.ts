/** A real Ollama, with models of our own making. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { findOnPath } from '../../../../coordinator/embedded/executable.ts';
import { waitFor } from '../../../support/wait.ts';

/** Whichever the test is told of, or the one that is installed. */
export const findOllama = async (): Promise<string | undefined> =>
  process.env['CCLI_TEST_OLLAMA'] ?? (await findOnPath('ollama', process.env));

export interface RealOllama {
  readonly url: string;
  /** Makes a model of a GGUF file. */
  create(name: string, gguf: Buffer, parameters: Readonly<Record<string, number>>): Promise<void>;
  close(): Promise<void>;
}

export async function startRealOllama(executable: string, directory: string): Promise<RealOllama> {
  const child = spawn(executable, ['serve'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: directory,
      OLLAMA_HOST: '127.0.0.1:0',
      OLLAMA_MODELS: join(directory, 'models'),
      OLLAMA_NO_CLOUD: '1',
    },
  });
  const ended = once(child, 'close');
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-20_000);
  });
  const port = await waitFor(() => /Listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1], {
    what: 'Ollama listening',
  });
  const url = `http://127.0.0.1:${port}`;
  const post = async (path: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> => {
    const response = await fetch(`${url}${path}`, { method: 'POST', body });
    const told = await response.text();
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${told}`);
  };
  return {
    url,
    async create(name, gguf, parameters) {
      const digest = `sha256:${createHash('sha256').update(gguf).digest('hex')}`;
      await post(`/api/blobs/${digest}`, new Uint8Array(gguf));
      const template = '{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: ';
      await post(
        '/api/create',
        JSON.stringify({
          model: name,
          files: { [`${name}.gguf`]: digest },
          template,
          parameters,
          stream: false,
        }),
      );
    },
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
