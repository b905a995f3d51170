import { expect, test } from 'vitest';
import { AgentConfigSchema } from '../../node-agent/agent-config/agent.ts';
import { loadedNow, modelsOf } from '../../node-agent/models.ts';

const ollama = AgentConfigSchema.parse({ id: 'a', agent_type: 'ollama', model: 'llama3' });
const generic = (over: Record<string, unknown>) =>
  AgentConfigSchema.parse({ id: 'a', agent_type: 'cli_generic', command: '/bin/tool', ...over });

test.each([
  [generic({ args: ['--model', '{model}'], model: 'm' }), undefined],
  [generic({ driver: 'acp' }), undefined],
  [generic({}), []],
  [generic({ model: 'm' }), ['m']],
  [generic({ models: ['m', 'n'] }), ['m', 'n']],
  [ollama, ['llama3']],
])('a task may name the models that would reach the tool (%#)', (config, models) => {
  expect(modelsOf(config)).toEqual(models);
});

test.each([
  [['mistral:7b'], true, ['llama3', 'mistral:7b']],
  [['llama3:latest', 'mistral:7b'], true, ['llama3', 'mistral:7b']],
  [['llama3:latest', 'mistral:7b'], false, ['mistral:7b']],
])('of the models listed as loaded, %j, its own is as its driver knows it', (listed, warm, loaded) => {
  expect(loadedNow(ollama, listed, warm)).toEqual(loaded);
});
