import { z } from 'zod';
import { withinTime } from '../../../protocol/daemon/limited-signal.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import { AgentDetailsSchema, agentDetails, agentLine } from '../agent-summary.ts';
import { contextFor, type McpDoor } from '../door.ts';
import { FailureSchema } from '../task-answer.ts';
import type { Call, Tool } from '../tool.ts';
import { agentIdArgument } from './task-arguments.ts';

const input = z.strictObject({
  agent_id: agentIdArgument.optional().describe('One agent; all of them otherwise'),
  test: z
    .boolean()
    .default(false)
    .describe('Sends a short prompt through the agent named, to prove that it answers; costs a model call'),
});

const output = z.object({
  agents: z.array(AgentDetailsSchema),
  test: z
    .object({ ok: z.boolean(), problem: FailureSchema.optional(), took_ms: z.int() })
    .optional()
    .describe('What the test came to'),
});

export const agentHealthTool: Tool<typeof input, typeof output> = {
  name: 'agent_health',
  title: 'How agents are doing',
  description:
    'Tells how one agent, or every agent, is doing: whether it can work, and if not why and for how long; its version, sign-in, free slots and recent runs. With test it is also tried out, for no longer than other tools wait. Use it when a task failed or waits for no clear reason.',
  input,
  output,
  // With `test` an agent works, and that is paid for.
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  async run(door, { agent_id, test }, call) {
    if (test) return await tried(door, agent_id, call);
    const { signal } = call;
    const { agents: all } = await door.operations.agents({}, contextFor(door, signal));
    const agents = agent_id === undefined ? all : all.filter(agent => agent.agent_id === agent_id);
    if (agents.length === 0 && agent_id !== undefined)
      throw new CcliError(
        'agent_unknown',
        `No agent is called "${agent_id}"; discover_agents lists those there are.`,
      );
    return {
      structured: { agents: agents.map(agentDetails) },
      text: [agents.length === 0 ? 'No agent has joined this fleet.' : agents.map(healthLine).join('\n')],
    };
  },
};

async function tried(door: McpDoor, agent_id: string | undefined, call: Call) {
  if (agent_id === undefined)
    throw new CcliError('invalid_request', 'agent_id: a test needs to know which agent is to be tested.');
  const { ok, agent, problem, took_ms } = await withinTime(
    signal => door.operations.test({ agent_id, canary: true }, contextFor(door, signal)),
    {
      signals: [call.signal, door.stopping],
      limit_ms: door.wait_ms,
      late: () =>
        new CcliError(
          'wait_timeout',
          `${agent_id} has not answered its test within ${Math.round(door.wait_ms / 1_000)} s. It may be slow: call again, or give it a task with submit_task.`,
        ),
    },
  );
  const came = problem === undefined ? '' : `: ${problem.code}: ${problem.message}`;
  return {
    structured: {
      agents: [agentDetails(agent)],
      test: { ok, took_ms, ...(problem !== undefined && { problem }) },
    },
    text: [
      ok
        ? `${agent_id} answers; the test took ${(took_ms / 1_000).toFixed(1)} s.`
        : `${agent_id} cannot take a task${came}`,
      healthLine(agent),
    ],
  };
}

function healthLine(agent: AgentView): string {
  const { cli_version, signed_in, recent } = agent;
  const facts = [
    ...(cli_version === undefined ? [] : [`version ${cli_version}`]),
    ...(signed_in === 'unknown' ? [] : [signed_in === 'yes' ? 'signed in' : 'not signed in']),
    ...(recent === undefined ? [] : [`${recent.failed} of its last ${recent.runs} runs failed`]),
  ];
  return [agentLine(agent), ...facts].join('; ');
}
