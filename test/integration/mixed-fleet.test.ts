import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TaskView } from '../../protocol/operation.ts';
import type { TaskOptions } from '../../protocol/task.ts';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { type OllamaRequest, ollamaStub } from '../support/ollama-stub.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const TASKS = 500;
/** Submits under way at a time: a caller's own patience ends at a few seconds. */
const SUBMITS = 50;

interface Agent {
  readonly id: string;
  readonly agent_type: 'cli_generic' | 'ollama';
  readonly node: 'walnut' | 'ironwood';
  readonly model?: string;
  readonly specialty: TaskOptions['specialty'] & string;
  readonly labels: Readonly<Record<string, string>>;
  readonly max_concurrent: number;
}

const FLEET: readonly Agent[] = [
  cli('walnut-cli', 'walnut', 'kernel_dev'),
  cli('ironwood-cli', 'ironwood', 'tester'),
  model('walnut-llama3', 'walnut', 'llama3:latest', 'general_ai'),
  model('walnut-qwen3', 'walnut', 'qwen3:8b', 'kernel_dev'),
  model('walnut-phi4', 'walnut', 'phi4:latest', 'reasoning'),
  model('ironwood-llama3', 'ironwood', 'llama3:latest', 'general_ai'),
  model('ironwood-mistral', 'ironwood', 'mistral:7b', 'docs_writer'),
  model('ironwood-gemma3', 'ironwood', 'gemma3:4b', 'tester'),
  model('ironwood-deepseek', 'ironwood', 'deepseek-r1:14b', 'reasoning'),
];

function cli(id: string, node: Agent['node'], specialty: Agent['specialty']): Agent {
  return {
    id,
    node,
    agent_type: 'cli_generic',
    specialty,
    labels: { host: node, kind: 'cli' },
    max_concurrent: 2,
  };
}

function model(id: string, node: Agent['node'], name: string, specialty: Agent['specialty']): Agent {
  const labels = { host: node, kind: 'model' };
  return { id, node, agent_type: 'ollama', model: name, specialty, labels, max_concurrent: 3 };
}

/** One after the other, again and again; a CLI is a process a task, so it gets the smaller part. */
const WISHES: readonly TaskOptions[] = [
  {},
  { agent_type: 'ollama' },
  { model: 'llama3:latest' },
  { model: 'deepseek-r1:14b' },
  { specialty: 'reasoning' },
  { specialty: 'docs_writer' },
  { agent_type: 'ollama', specialty: 'tester' },
  { labels: { host: 'walnut', kind: 'model' } },
  { agent_type: 'ollama', labels: { host: 'ironwood' } },
  { agent_id: 'walnut-phi4' },
  { specialty: 'kernel_dev' },
  { agent_type: 'cli_generic' },
  { agent_id: 'ironwood-cli' },
  { fallback: ['walnut-qwen3', 'ollama'] },
  { fallback: ['cli_gemini', 'ollama'] },
  { agent_type: 'ollama', session_id: 'talk' },
  { session_id: 'chat', fallback: ['ollama', 'cli_generic'] },
  { agent_type: 'cli_generic', session_id: 'script' },
];

/** Sessions of one kind of wish: the tasks of each run one after another. */
const SESSIONS = 4;

const wishOf = (index: number): TaskOptions => {
  const { session_id, ...wish } = WISHES[index % WISHES.length] ?? {};
  if (session_id === undefined) return wish;
  return { ...wish, session_id: `${session_id}-${String(Math.floor(index / WISHES.length) % SESSIONS)}` };
};

/** Nothing in this fleet cools down, is lost or fails, so of a chain the first member that is there has the task. */
function isFirstChoice({ id, agent_type }: Agent, chain: readonly string[]): boolean {
  const first = chain.find(name => FLEET.some(agent => agent.id === name || agent.agent_type === name));
  return first === id || first === agent_type;
}

/** Written down once more, and not taken from the planner that it judges. */
function mayTake(agent: Agent, wish: TaskOptions): boolean {
  return (
    (wish.agent_id ?? agent.id) === agent.id &&
    (wish.agent_type ?? agent.agent_type) === agent.agent_type &&
    (wish.specialty ?? agent.specialty) === agent.specialty &&
    (wish.fallback === undefined || isFirstChoice(agent, wish.fallback)) &&
    (wish.model === undefined ||
      agent.model === wish.model ||
      agent.model === `${wish.model}:latest` ||
      agent.model === undefined) &&
    Object.entries(wish.labels ?? {}).every(([key, value]) => agent.labels[key] === value)
  );
}

interface Overlap {
  readonly started: number;
  /** Most that ran at the same time. */
  readonly most: number;
}

/** Of what a CLI wrote at the start and at the end of each prompt. */
function overlapOf(log: string): Overlap {
  let [now, most, started] = [0, 0, 0];
  for (const line of log.split('\n')) {
    if (line.startsWith('start ')) started += 1;
    now += line.startsWith('start ') ? 1 : line.startsWith('end ') ? -1 : 0;
    most = Math.max(most, now);
  }
  return { started, most };
}

/** What a model was told is what it was told the turn before, the answer to that, and one prompt more. */
function expectConversations(requests: readonly OllamaRequest[], session: readonly TaskView[]): void {
  const asked = new Set(session.map(({ response = '' }) => response.slice('echo: '.length)));
  const turns = requests
    .filter(({ prompt }) => asked.has(prompt))
    .sort((a, b) => a.messages.length - b.messages.length);
  expect(turns).toHaveLength(session.length);
  for (const [index, { messages }] of turns.entries()) {
    const before = turns[index - 1];
    const said =
      before === undefined
        ? []
        : [...before.messages, { role: 'assistant', content: `echo: ${before.prompt}` }];
    expect(messages.slice(0, -1)).toEqual(said);
  }
}

test(`${String(TASKS)} mixed tasks over 2 CLI and 7 Ollama agents on two nodes all end, each by an agent that was eligible`, async () => {
  const fleet = await testFleet();
  const stubs = new Map<string, Awaited<ReturnType<typeof ollamaStub>>>();
  const logs = await temporaryDirectory();
  const logOf = (id: string): string => join(logs, id);
  for (const node of ['walnut', 'ironwood'] as const) {
    const mine = FLEET.filter(agent => agent.node === node);
    const stub = await ollamaStub({ models: mine.flatMap(agent => agent.model ?? []) });
    stubs.set(node, stub);
    await fleet.startNode({
      node,
      agents: mine.map(({ id, agent_type, specialty, labels, max_concurrent, model: name }) =>
        agent_type === 'ollama'
          ? { id, agent_type, specialty, labels, max_concurrent, model: name, endpoint: stub.url }
          : scriptedAgent(id, { specialty, labels, max_concurrent, env: { SCRIPTED_LOG: logOf(id) } }),
      ),
    });
  }
  for (const { id } of FLEET) await fleet.agentReady(id);

  const wishes = Array.from({ length: TASKS }, (_, index) => wishOf(index));
  const ids: string[] = [];
  for (let at = 0; at < TASKS; at += SUBMITS) {
    const submitted = await Promise.all(
      wishes
        .slice(at, at + SUBMITS)
        .map((wish, index) => fleet.call('submit', { ...wish, prompt: `prompt ${String(at + index)}` })),
    );
    ids.push(...submitted.map(({ task_id }) => task_id));
  }
  const views: TaskView[] = [];
  for (const task_id of ids) views.push(await end(task_id));

  for (const [index, view] of views.entries()) {
    expect(view.error).toBeUndefined();
    expect(view.status).toBe('completed');
    const agent = FLEET.find(({ id }) => id === view.agent_id);
    const wish = wishes[index] ?? {};
    // A CLI gets what was said before as a part of the prompt, and repeats it.
    const said = agent?.agent_type === 'cli_generic' && wish.session_id !== undefined;
    if (said) expect(view.response).toMatch(new RegExp(`^echo: [^]*prompt ${String(index)}\\b`));
    else expect(view.response).toBe(`echo: prompt ${String(index)}`);
    expect(
      agent !== undefined && mayTake(agent, wish),
      `${JSON.stringify(wish)} on ${String(view.agent_id)}`,
    ).toBe(true);
    expect(view.node).toBe(agent?.node);
  }
  expect(new Set(views.map(({ agent_id }) => agent_id))).toEqual(new Set(FLEET.map(({ id }) => id)));
  for (const agent of FLEET) {
    if (agent.model !== undefined) {
      expect(stubs.get(agent.node)?.maxOverlap(agent.model)).toBeLessThanOrEqual(agent.max_concurrent);
      continue;
    }
    const { started, most } = overlapOf(await readFile(logOf(agent.id), 'utf8'));
    expect(started).toBe(views.filter(({ agent_id }) => agent_id === agent.id).length);
    expect(most).toBeLessThanOrEqual(agent.max_concurrent);
  }
  const requests = [...stubs.values()].flatMap(stub => stub.requests);
  const sessions = new Set(wishes.flatMap(({ session_id }) => session_id ?? []));
  expect(sessions.size).toBe(3 * SESSIONS);
  for (const session_id of sessions) {
    if (session_id.startsWith('script')) continue;
    expectConversations(
      requests,
      views.filter(({ options }) => options.session_id === session_id),
    );
  }
  const { agents } = await fleet.call('agents', {});
  await waitFor(async () => (await fleet.call('agents', {})).agents.every(({ running }) => running === 0), {
    what: 'no agent running anything',
  });
  expect(agents).toHaveLength(FLEET.length);

  function end(task_id: string): Promise<TaskView> {
    return waitFor(
      async () => {
        const view = await fleet.call('get', { task_id, wait_ms: 2_000 });
        return ['completed', 'failed', 'cancelled'].includes(view.status) && view;
      },
      { what: `the end of ${task_id}`, timeout_ms: 150_000 },
    );
  }
});
