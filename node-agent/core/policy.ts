import { TOOL_POLICIES, type ToolPolicy } from '../../protocol/agent.ts';

/** The stricter of the agent's policy and what the task asks for: a task can only narrow. */
export function narrower(agent: ToolPolicy, task: ToolPolicy | undefined): ToolPolicy {
  if (task === undefined) return agent;
  return TOOL_POLICIES.indexOf(task) < TOOL_POLICIES.indexOf(agent) ? task : agent;
}
