import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { describeNode } from '../../../coordinator/embedded/fleet-parts.ts';
import { writeNodeAgentFile } from '../../../coordinator/embedded/node-agent-file.ts';
import { takeStateDirectory } from '../../../coordinator/embedded/state-directory.ts';
import { loadNodeConfig } from '../../../node-agent/config.ts';
import { createLifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('the file of an embedded node permits agents on the Ollama servers named', async () => {
  const file = join(await temporaryDirectory(), 'node-agent.yaml');
  const ollama_endpoints = ['http://127.0.0.1:11434', 'http://gpu:11434'];
  await writeNodeAgentFile(file, { node: 'walnut', demo_url: undefined, ollama_endpoints });
  const { node, permit, agents } = loadNodeConfig(file, {});
  expect(node).toBe('walnut');
  expect(permit.ollama.endpoints).toEqual(ollama_endpoints);
  expect(agents.map(({ id }) => id)).toEqual(['walnut-gemini']);
});

test('a fleet started again without --ollama permits the servers that it was started with before', async () => {
  const onStage = (): void => undefined;
  const state = await takeStateDirectory(await temporaryDirectory(), { onStage });
  onTestFinished(state.release);
  const permitted = async (ollama?: readonly string[]): Promise<readonly string[]> => {
    const environment = { GEMINI_API_KEY: 'none' };
    const { file } = await describeNode({
      state,
      lifecycle: createLifecycle({ onError: onStage }),
      options: { environment, onStage, ollama },
    });
    return loadNodeConfig(file, {}).permit.ollama.endpoints;
  };
  const all = ['http://127.0.0.1:11434', 'http://gpu:11434'];
  expect(await permitted(['http://gpu:11434'])).toEqual(all);
  expect(await permitted()).toEqual(all);
});
