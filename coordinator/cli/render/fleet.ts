/** Agents, nodes and the fleet as a whole, for people. */
import type { AgentView, FleetStatus, NodeView } from '../../../protocol/operation.ts';
import { TASK_STATUSES } from '../../../protocol/task.ts';
import type { Colors } from './colors.ts';
import { duration, size } from './quantity.ts';
import { properties, table } from './table.ts';

export function agentTable(agents: readonly AgentView[], colors: Colors): string {
  const head = ['AGENT', 'TYPE', 'NODE', 'STATUS', 'SLOTS', 'MODEL', 'SPECIALTY', 'CLI', 'NODE.JS'];
  const rows = agents.map(agent => [
    agent.agent_id,
    agent.agent_type,
    agent.node,
    agentStatus(agent, colors),
    `${agent.running}/${agent.max_concurrent}`,
    agent.model ?? '-',
    agent.specialty.join(','),
    agent.cli_version ?? '-',
    agent.node_version ?? '-',
  ]);
  return table(head, rows, colors);
}

/** The nearest reason why nothing would be placed there, or that something would. */
function agentStatus(agent: AgentView, { green, yellow, red, dim }: Colors): string {
  if (!agent.alive) return red('lost');
  if (!agent.enabled) return dim('disabled');
  if (agent.draining) return yellow('draining');
  if (agent.health === 'unavailable') return red(agent.problem?.code ?? 'unavailable');
  if (agent.health === 'starting') return yellow('starting');
  if (agent.cooldown_ms !== undefined && agent.cooldown_ms > 0)
    return yellow(`paused ${duration(agent.cooldown_ms)}`);
  if (agent.running >= agent.max_concurrent) return yellow('busy');
  return agent.available ? green(agent.warm ? 'ready, warm' : 'ready') : yellow('not available');
}

export function nodeTable(nodes: readonly NodeView[], colors: Colors): string {
  const head = ['NODE', 'STATUS', 'AGENTS', 'SLOTS', 'LOAD', 'MEMORY', 'GPUS', 'VERSION', 'NODE.JS', 'UP'];
  const rows = nodes.map(node => [
    node.node,
    nodeStatus(node, colors),
    String(node.agents),
    `${node.running}/${node.slots}`,
    `${node.host.load_1m.toFixed(1)}/${node.host.cpus}`,
    `${size(node.host.memory_total_bytes - node.host.memory_available_bytes)}/${size(node.host.memory_total_bytes)}`,
    gpus(node),
    node.version,
    node.node_js,
    duration(node.uptime_ms),
  ]);
  return table(head, rows, colors);
}

function nodeStatus(node: NodeView, { green, yellow, red }: Colors): string {
  if (!node.alive) return red(`lost, silent ${duration(node.silent_ms)}`);
  if (node.contested) return red('contested');
  if (node.draining) return yellow('draining');
  return green('alive');
}

function gpus({ host }: NodeView): string {
  if (host.gpus.length === 0) return '-';
  const names = new Map<string, number>();
  for (const gpu of host.gpus) names.set(gpu.name, (names.get(gpu.name) ?? 0) + 1);
  return [...names].map(([name, count]) => (count === 1 ? name : `${count} x ${name}`)).join(', ');
}

const DURABILITY = {
  power_cut: 'accepted tasks survive a power cut',
  process_crash: 'accepted tasks survive a crash, but maybe not a power cut',
  unknown: 'unknown: the server does not tell',
} as const;

export function statusDetails(status: FleetStatus, colors: Colors): string {
  const { nats, nodes, agents, slots } = status;
  const tasks = TASK_STATUSES.map(name => `${status.tasks[name]} ${name}`).join(', ');
  return properties(
    [
      [
        'coordinator',
        `${status.coordinator_id}, version ${status.version}, up ${duration(status.uptime_ms)}`,
      ],
      ['nats', `${nats.url}, nats-server ${nats.server_version}`],
      ['durability', DURABILITY[nats.durability]],
      ['warning', nats.warning === undefined ? undefined : colors.yellow(nats.warning)],
      ['nodes', `${nodes.alive} alive${nodes.lost > 0 ? colors.red(`, ${nodes.lost} lost`) : ''}`],
      ['agents', `${agents.available} of ${agents.total} available`],
      ['slots', `${slots.free} of ${slots.total} free`],
      ['tasks', tasks],
    ],
    colors,
  );
}
