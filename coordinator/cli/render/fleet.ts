/** Nodes and the fleet as a whole, for people. */
import { STORE_FULL_SHARE } from '../../../protocol/limits.ts';
import type { FleetStatus, NodeView, OperationReply } from '../../../protocol/operation.ts';
import { TASK_STATUSES } from '../../../protocol/task.ts';
import type { Colors } from './colors.ts';
import { duration, size } from './quantity.ts';
import { properties, table } from './table.ts';

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
  const below = nodes.flatMap(({ node, ollama_endpoints }) =>
    ollama_endpoints.length === 0
      ? []
      : [`${colors.dim(`${node} permits Ollama agents on ${ollama_endpoints.join(', ')}`)}\n`],
  );
  return table(head, rows, colors) + below.join('');
}

function nodeStatus(node: NodeView, { green, yellow, red }: Colors): string {
  if (!node.alive) return red(`lost, silent ${duration(node.silent_ms)}`);
  if (node.contested) return red('contested');
  if (node.silent_ms > SUSPECT_INTERVALS * node.interval_ms)
    return yellow(`suspect, silent ${duration(node.silent_ms)}`);
  if (node.draining) return yellow(isDrained(node) ? 'drained' : 'draining');
  if (node.full) return red('disk full');
  return green(node.transport === 'ssh' ? 'alive, over ssh' : 'alive');
}

/** One advert may be late; after three it counts as lost. */
const SUSPECT_INTERVALS = 2;

type DrainReply = OperationReply<'drain'>;

/** Nothing runs there, and the report stream has every result. */
export const isDrained = ({ draining, running, outbox }: Omit<DrainReply, 'node'>): boolean =>
  draining && running === 0 && outbox === 0;

export function drainSentence(reply: DrainReply): string {
  const { node, draining } = reply;
  if (!draining) return `${node} takes work again`;
  if (isDrained(reply)) return `${node} is drained: nothing runs, nothing is unsent`;
  return `${node} is draining: ${stillThere(reply)}`;
}

/** `2 tasks still run, 1 result unsent`. @param named which tasks those are */
export function stillThere({ running, outbox }: Omit<DrainReply, 'node'>, named = ''): string {
  const parts = [
    running === 0
      ? undefined
      : `${running === 1 ? '1 task still runs' : `${running} tasks still run`}${named}`,
    outbox === 0 ? undefined : `${outbox} result${outbox === 1 ? '' : 's'} unsent`,
  ];
  return parts.filter(part => part !== undefined).join(', ');
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
      ['leader', leader(status, colors)],
      ['fleet', status.fleet_id],
      ['nats', `${nats.url}, nats-server ${nats.server_version}`],
      ['http', status.http_url],
      ['durability', DURABILITY[nats.durability]],
      ['warning', nats.warning === undefined ? undefined : colors.yellow(nats.warning)],
      ['store', storeUsage(status, colors)],
      ['warning', storeWarning(status, colors)],
      ['nodes', `${nodes.alive} alive${nodes.lost > 0 ? colors.red(`, ${nodes.lost} lost`) : ''}`],
      ['agents', `${agents.available} of ${agents.total} available`],
      [
        'registration',
        status.registration === 'off'
          ? colors.yellow('off; `ccli agents registration on` allows it again')
          : undefined,
      ],
      ['discovered', status.discovered === 'allow' ? 'agents work without being registered' : undefined],
      ['slots', `${slots.free} of ${slots.total} free`],
      ['tasks', tasks],
      ['malformed', malformed(status, colors)],
    ],
    colors,
  );
}

function leader({ role, leader: id, epoch }: FleetStatus, { red }: Colors): string {
  if (role === 'leader') return `this coordinator, epoch ${epoch}`;
  if (id === undefined) return red('none is known: tasks are accepted, and wait for one');
  return `${id}, epoch ${epoch}; this coordinator stands by`;
}

const STORES = ['tasks', 'blobs', 'reports'] as const;

const share = ({ bytes, max_bytes }: FleetStatus['store']['tasks']): number =>
  max_bytes === 0 ? 0 : bytes / max_bytes;

const percent = (usage: FleetStatus['store']['tasks']): string => `${Math.round(share(usage) * 100)} %`;

function storeUsage({ store }: FleetStatus, { yellow }: Colors): string {
  return STORES.map(name => {
    const text = `${name} ${size(store[name].bytes)}/${size(store[name].max_bytes)} (${percent(store[name])})`;
    return share(store[name]) >= STORE_FULL_SHARE ? yellow(text) : text;
  }).join(', ');
}

function storeWarning({ store }: FleetStatus, { yellow }: Colors): string | undefined {
  const full = STORES.filter(name => share(store[name]) >= STORE_FULL_SHARE);
  if (full.length === 0) return undefined;
  const names = full.length === 1 ? `the store of ${full.join('')}` : `the stores of ${full.join(' and ')}`;
  return yellow(
    `${names} ${full.length === 1 ? 'is' : 'are'} nearly full: new tasks are refused (store_full), accepted ones go on. Give more room with \`store\`, or keep less with \`history\`.`,
  );
}

/** Nothing to say as long as all that came could be read. */
function malformed({ malformed: { adverts, reports } }: FleetStatus, { yellow }: Colors): string | undefined {
  if (adverts + reports === 0) return undefined;
  return yellow(
    `${adverts} adverts and ${reports} reports could not be read; the coordinator's log names their nodes`,
  );
}
