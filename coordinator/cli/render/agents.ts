/** Agents, for people. */
import { hasModel } from '../../../protocol/model-name.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import type { Colors } from './colors.ts';
import { duration } from './quantity.ts';
import { table } from './table.ts';

export function agentTable(agents: readonly AgentView[], colors: Colors): string {
  const states = new Map(agents.map(agent => [agent, stateOf(agent)]));
  const columns: readonly (readonly [head: string, cell: (agent: AgentView) => string])[] = [
    ['AGENT', agent => agent.agent_id],
    ['TYPE', agent => agent.agent_type],
    ['NODE', agent => agent.node],
    ['STATE', agent => coloured(states.get(agent) ?? UNAVAILABLE, colors)],
    ['SLOTS', agent => `${agent.running}/${agent.max_concurrent}`],
    ['MODEL', agent => modelCell(agent, colors)],
    ['SPECIALTY', agent => agent.specialty.join(',')],
    ['ENDPOINT', agent => agent.endpoint],
    ['SSH', sshCell],
    ['REGISTRY', agent => (agent.registration === 'registered' ? 'registered' : colors.dim('discovered'))],
    ['VERSION', agent => agent.cli_version ?? NONE],
    ['NODE.JS', agent => agent.node_version ?? NONE],
  ];
  // What no agent has is not worth the width.
  const shown = columns.filter(([, cell]) => agents.some(agent => cell(agent) !== NONE));
  const rows = agents.map(agent => shown.map(([, cell]) => cell(agent)));
  const heads = shown.map(([head]) => head);
  const below = [...states].flatMap(([agent, state]) => remarks(agent, state, colors));
  return table(heads, rows, colors) + below.join('');
}

const NONE = '-';

/** Its policy, and whether it is reached so now. */
const sshCell = ({ ssh_fallback, transport }: AgentView): string => {
  const policy = ssh_fallback ?? NONE;
  return transport === 'ssh' ? `${policy}, over ssh` : policy;
};

/** The models that answer without being loaded first are marked. */
function modelCell(agent: AgentView, { green }: Colors): string {
  const { model, loaded_models = [] } = agent;
  if (model === undefined) return NONE;
  return hasModel(agent, loaded_models, model) ? `${model} ${green('(loaded)')}` : model;
}

/** What is too long for a cell. */
function remarks(agent: AgentView, state: State, { dim }: Colors): string[] {
  const { agent_id, node, driver, cooldown_ms = 0, cooldown_code, fallback_driver, problem, health } = agent;
  const lines: string[] = [];
  if (problem !== undefined && health === 'unavailable') lines.push(`${agent_id}: ${problem.message}`);
  if (cooldown_ms > 0) {
    const why = cooldown_code === undefined ? '' : `${cooldown_code}, `;
    lines.push(`${agent_id} is cooling down: ${why}${duration(cooldown_ms)} left`);
  }
  if (fallback_driver !== undefined)
    lines.push(`${agent_id} keeps failing by ${driver}; ${fallback_driver} stands in`);
  if (state === UNREGISTERED)
    lines.push(
      `${agent_id} gets no work until it is registered: ccli agents register ${agent_id} --node ${node}`,
    );
  return lines.map(line => `${dim(line)}\n`);
}

type State = readonly [tone: 'green' | 'yellow' | 'red' | 'dim', text: string];
const UNREGISTERED: State = ['yellow', 'not registered'];
const UNAVAILABLE: State = ['yellow', 'not available'];

/** The nearest reason why nothing would be placed there, or that something would. */
function stateOf(agent: AgentView): State {
  if (!agent.alive) return ['red', 'lost'];
  if (!agent.enabled) return ['dim', 'disabled'];
  if (agent.ssh_fallback === 'off' && agent.transport === 'ssh') return ['yellow', 'ssh not allowed'];
  if (agent.ssh_fallback === 'only' && agent.transport !== 'ssh') return ['yellow', 'no ssh line'];
  if (agent.draining) return ['yellow', 'draining'];
  if (agent.health === 'unavailable') return ['red', agent.problem?.code ?? 'unavailable'];
  if (agent.health === 'starting') return ['yellow', 'starting'];
  if (agent.cooldown_ms !== undefined && agent.cooldown_ms > 0)
    return ['yellow', `cooling ${duration(agent.cooldown_ms)}`];
  if (!agent.allowed) return UNREGISTERED;
  if (agent.max_concurrent === 0) return ['yellow', 'no slots'];
  if (agent.running >= agent.max_concurrent) return ['yellow', 'busy'];
  if (agent.available) return ['green', agent.warm ? 'ready, warm' : 'ready'];
  return UNAVAILABLE;
}

const coloured = ([tone, text]: State, colors: Colors): string => colors[tone](text);

export const agentState = (agent: AgentView, colors: Colors): string => coloured(stateOf(agent), colors);
