import { expect, test } from 'vitest';
import { aimOf, modelNames, type Named } from '../../../../coordinator/http/openai/model.ts';
import { CcliError } from '../../../../protocol/errors.ts';

const agents: readonly Named[] = [
  {
    agent_id: 'walnut-gemini',
    agent_type: 'cli_gemini',
    specialty: ['kernel_dev'],
    model: 'gemini-2.5-pro',
    node: 'walnut',
  },
  {
    agent_id: 'walnut-ollama',
    agent_type: 'ollama',
    specialty: ['general_ai'],
    models: ['llama3:latest', 'hf.co/org/m:q4'],
    node: 'walnut',
  },
  {
    agent_id: 'ironwood-ollama',
    agent_type: 'ollama',
    specialty: ['reasoning'],
    models: ['llama3:latest', 'qwen3:8b'],
    loaded_models: ['qwen3:8b'],
    node: 'ironwood',
  },
];

const refusal = (name: string, of = agents): unknown => {
  try {
    return aimOf(name, of);
  } catch (error) {
    return error;
  }
};

test('lists agents, types, virtual models and advertised models, each once', () => {
  expect(modelNames(agents).map(({ id }) => id)).toEqual([
    'ccli/auto',
    'walnut-gemini',
    'walnut-ollama',
    'ironwood-ollama',
    'cli_gemini',
    'ollama',
    'ccli/cli_gemini',
    'ccli/ollama',
    'ccli/kernel_dev',
    'ccli/general_ai',
    'ccli/reasoning',
    'gemini-2.5-pro',
    'llama3:latest',
    'hf.co/org/m:q4',
    'qwen3:8b',
  ]);
});

test('an empty fleet still has the model that means any agent', () => {
  expect(modelNames([])).toEqual([{ id: 'ccli/auto', owned_by: 'ccli' }]);
  expect(aimOf('ccli/auto', [])).toEqual({});
});

test.each([
  ['walnut-gemini', { agent_id: 'walnut-gemini' }],
  ['cli_gemini', { agent_type: 'cli_gemini' }],
  ['ccli/cli_gemini', { agent_type: 'cli_gemini' }],
  ['ccli/reasoning', { specialty: 'reasoning' }],
  ['ollama@mistral:7b', { agent_type: 'ollama', model: 'mistral:7b' }],
  ['ccli/ollama@hf.co/org/m:q4', { agent_id: 'walnut-ollama', model: 'hf.co/org/m:q4' }],
  ['ccli/auto@llama3', { agent_type: 'ollama', model: 'llama3' }],
  ['ccli/reasoning@llama3', { agent_id: 'ironwood-ollama', specialty: 'reasoning', model: 'llama3' }],
  ['ccli/auto@mistral:7b', { model: 'mistral:7b' }],
  ['walnut-ollama@llama3', { agent_id: 'walnut-ollama', model: 'llama3' }],
  ['qwen3:8b', { agent_id: 'ironwood-ollama', model: 'qwen3:8b' }],
  ['hf.co/org/m:q4', { agent_id: 'walnut-ollama', model: 'hf.co/org/m:q4' }],
  ['llama3', { agent_type: 'ollama', model: 'llama3' }],
])('%s means %j', (name, aim) => {
  expect(aimOf(name, agents)).toEqual(aim);
});

test.each(['shared:1b', 'ccli/auto@shared:1b'])(
  'agents of several types that have %s are asked for one by one, the one with most room first',
  name => {
    const having: readonly Named[] = [
      {
        agent_id: 'oak-proxy',
        agent_type: 'cli_generic',
        specialty: [],
        model: 'shared:1b',
        node: 'oak',
        available: true,
        running: 1,
        max_concurrent: 2,
      },
      {
        agent_id: 'oak-ollama',
        agent_type: 'ollama',
        specialty: [],
        model: 'shared:1b',
        node: 'oak',
        available: true,
        running: 0,
        max_concurrent: 2,
      },
    ];
    // Others of the same types, and one that takes any model, are left out.
    expect(aimOf(name, [...agents, ...having])).toEqual({
      fallback: ['oak-ollama', 'oak-proxy'],
      model: 'shared:1b',
    });
  },
);

test('agents of one type that have a model are not mixed with one that would try it', () => {
  const eager: Named = { agent_id: 'elm-ollama', agent_type: 'ollama', specialty: [], node: 'elm' };
  expect(aimOf('llama3', [...agents, eager])).toEqual({
    fallback: ['walnut-ollama', 'ironwood-ollama'],
    model: 'llama3',
  });
});

test('every listed name can be asked for', () => {
  for (const { id } of modelNames(agents)) expect(() => aimOf(id, agents)).not.toThrow();
});

test('an agent by its id comes before a type of that name', () => {
  const namesake: Named = { agent_id: 'ollama', agent_type: 'cli_generic', specialty: [], node: 'oak' };
  expect(aimOf('ollama', [...agents, namesake])).toEqual({ agent_id: 'ollama' });
});

test.each([
  'gpt-4o',
  'cli_codex',
  'ccli/tester',
  'reasoning',
  '',
  'nobody@llama3',
  'ollama@',
  'ollama@-rm',
  '__proto__',
  'ccli/',
])('the model "%s" is not there, and the refusal says what is', name => {
  const error = refusal(name);
  expect(error).toBeInstanceOf(CcliError);
  expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
  expect(String(error)).toContain('ccli/auto, walnut-gemini');
});

test('a name of any length is answered in a line', () => {
  expect(String(refusal('x'.repeat(100_000))).length).toBeLessThan(500);
});
