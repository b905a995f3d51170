/** What is looked at of one node, through the fleet. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { skipped, type Verdict, warn } from '../../../protocol/finding.ts';
import type { AgentView, NodeView } from '../../../protocol/operation.ts';
import { judgeAgent } from '../judge/agent.ts';
import { judgeNode } from '../judge/node.ts';
import { promptsCheck } from '../prompts/check.ts';
import type { FleetContext } from './context.ts';

interface NodeCheckOptions {
  readonly node: NodeView;
  /** Of all nodes. */
  readonly agents: readonly AgentView[];
  /** The most prompts at a time; 0 for none at all. */
  readonly concurrency: number;
}

const LIMIT_MS = 5_000;

const told = (id: string, title: string, judge: () => readonly Verdict[]): Check<FleetContext> => ({
  id,
  title,
  limit_ms: LIMIT_MS,
  run: () => Promise.resolve(judge()),
});

export function nodeChecks({ node, agents, concurrency }: NodeCheckOptions): readonly Check<FleetContext>[] {
  const own = agents.filter(agent => agent.node === node.node);
  const title = `what ${node.node} says of itself`;
  return [
    told('alive', title, () => judgeNode(node)),
    told('agent', title, () => (own.length === 0 && node.alive ? [NO_AGENTS] : own.flatMap(judgeAgent))),
    concurrency > 0
      ? promptsCheck(own, concurrency)
      : told('prompt', title, () => [skipped('No test prompts were to be sent.')]),
  ];
}

const NO_AGENTS = warn(
  'It has no agents.',
  'Name some in its configuration, or register Ollama models on it.',
);
