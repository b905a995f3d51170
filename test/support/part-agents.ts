/** Agents of different types and specialties for coordinations, each a scripted CLI that does what it is told. */
import { join } from 'node:path';
import { scriptedAgent, type TestFleet, testFleet } from './fleet.ts';

const TOOL = join(import.meta.dirname, 'tools', 'part.mjs');

const agent = (id: string, over: Record<string, unknown>): Record<string, unknown> =>
  scriptedAgent(id, {
    command: TOOL,
    args: [id],
    driver: 'headless',
    env: { OPENAI_API_KEY: 'none' },
    ...over,
  });

const AGENTS = [
  agent('walnut-kernel', { agent_type: 'cli_codex', specialty: 'kernel_dev' }),
  agent('walnut-tester', { agent_type: 'cli_opencode', specialty: 'tester' }),
  agent('walnut-general', { agent_type: 'cli_generic', specialty: 'general_ai' }),
  agent('walnut-thinker', { agent_type: 'cli_qwen', specialty: 'reasoning', priority: -10 }),
];

export async function mixedFleet(over: Parameters<typeof testFleet>[0] = {}): Promise<TestFleet> {
  const fleet = await testFleet(over);
  await fleet.startNode({ agents: AGENTS });
  for (const { id } of AGENTS) await fleet.agentReady(String(id));
  return fleet;
}

/** Requirements that tell each agent what to do, by its id; `judge` is for whoever judges. */
export const requirements = (does: Record<string, unknown> = {}): string =>
  `Write a CUDA kernel and its tests.\n%%${JSON.stringify(does)}`;
