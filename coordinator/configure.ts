/**
 * Brings each node to the desired state of its agents, as long as this coordinator leads: the whole of it is sent
 * whenever the node does not echo the registry's revision, and once in each leadership, since the same revision of a
 * store that was restored may say something else. One request at a time for a node; a failure makes a pause.
 */
import type { ConfigureReply } from '../protocol/control.ts';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { ErrorBody } from '../protocol/errors.ts';
import { type AgentDefinition, AgentDefinitionSchema } from '../protocol/registration.ts';
import { agentKey } from '../protocol/subjects.ts';
import type { Desired } from './core/desired.ts';
import type { NodeSight } from './fleet.ts';
import type { Leadership } from './leadership.ts';
import type { Nodes } from './nodes.ts';
import type { Registry } from './registry.ts';

export interface Configurer {
  /** Something may have changed. Cheap when nothing has. */
  activate(): void;
  /** This coordinator has become the leader: what it knew before may be old. */
  begin(): void;
  /** Why nodes did not apply entries, by `agentKey`, from what they answered to this coordinator. */
  readonly refused: ReadonlyMap<string, ErrorBody>;
}

interface ConfigurerOptions {
  readonly registry: Pick<Registry, 'desired' | 'refresh' | 'anchor'>;
  readonly nodes: Pick<Nodes, 'configure'>;
  /** The nodes as they are seen now. */
  readonly sights: () => readonly NodeSight[];
  readonly leadership: Pick<Leadership, 'holds' | 'mandate'>;
  readonly clock: () => number;
  /** A node has taken something up, or refused it. */
  readonly onChange: () => void;
  readonly lifecycle: Pick<Lifecycle, 'handOver' | 'signal'>;
  readonly log: Log;
}

/** What is known of one node. */
interface Notes {
  /** What was last sent, by daemon, leadership and revision: anything else is sent at once. */
  sent: string | undefined;
  /** What it has confirmed, likewise. */
  confirmed: string | undefined;
  busy: boolean;
  failures: number;
  next_at_ms: number;
}

const AGAIN_FROM_MS = 500;
const AGAIN_TO_MS = 30_000;

export function createConfigurer(options: ConfigurerOptions): Configurer {
  const { registry, nodes, sights, leadership, clock, onChange, lifecycle, log } = options;
  const notes = new Map<string, Notes>();
  let refused = NONE;
  /** Whether the registry was read since this coordinator began to lead: an older one would undo what was asked since. */
  let fresh = false;
  let refreshing = false;
  let anchoring = false;
  let planned: NodeJS.Immediate | undefined;

  const notesOn = (node: string): Notes => {
    const known = notes.get(node);
    if (known !== undefined) return known;
    const made: Notes = { sent: undefined, confirmed: undefined, busy: false, failures: 0, next_at_ms: 0 };
    notes.set(node, made);
    return made;
  };

  const freshen = async (): Promise<void> => {
    try {
      await registry.refresh();
      fresh = true;
      activate();
    } catch (error) {
      log.debug('registry_not_read', errorFields(error));
    } finally {
      refreshing = false;
    }
  };

  const anchor = async (): Promise<void> => {
    try {
      await registry.anchor();
    } catch (error) {
      log.warn('registry_not_written', errorFields(error));
    } finally {
      anchoring = false;
    }
  };

  const pause = (own: Notes): void => {
    own.next_at_ms = clock() + Math.min(AGAIN_FROM_MS * 2 ** own.failures, AGAIN_TO_MS);
    own.failures += 1;
  };

  const note = (node: string, reply: ConfigureReply): void => {
    const others = [...refused].filter(([key]) => !key.startsWith(`${node}.`));
    const own = Object.entries(reply.refused).map(([agent_id, why]): [string, ErrorBody] => [
      agentKey(node, agent_id),
      why,
    ]);
    for (const [key, { code, message }] of own) {
      if (refused.get(key)?.message === message) continue;
      log.warn('registration_refused', { node, key, error_code: code, why: message });
    }
    refused = new Map([...others, ...own]);
  };

  const send = async (node: string, instance_id: string, own: Notes, meant: string): Promise<void> => {
    const { revision, records } = registry.desired;
    try {
      const reply = await nodes.configure(node, {
        instance_id,
        revision,
        agents: definitionsOf(records, node),
      });
      note(node, reply);
      own.confirmed = meant;
      // Until its next advert echoes the revision; one that never does is asked ever more rarely.
      pause(own);
      log.info('node_configured', { node, revision, refused: Object.keys(reply.refused).length });
      onChange();
    } catch (error) {
      pause(own);
      log.warn('node_not_configured', { node, revision, ...errorFields(error) });
    } finally {
      own.busy = false;
    }
    activate();
  };

  const look = ({ advert, alive, contested }: NodeSight, concerned: ReadonlySet<string>): void => {
    if (!alive || contested) return;
    const { node, instance_id, config_revision } = advert;
    const { desired } = registry;
    // One that was never told anything, and needs not be.
    if (config_revision === 0 && !concerned.has(node)) return;
    if (desired.revision === 0) {
      if (anchoring) return;
      anchoring = true;
      lifecycle.handOver(anchor());
      return;
    }
    const own = notesOn(node);
    const { fleet_id, epoch } = leadership.mandate;
    const meant = [instance_id, fleet_id, epoch, desired.revision].join('/');
    if (own.confirmed === meant && config_revision === desired.revision) {
      own.failures = 0;
      return;
    }
    if (own.busy || (own.sent === meant && clock() < own.next_at_ms)) return;
    if (own.sent !== meant) own.failures = 0;
    own.sent = meant;
    own.busy = true;
    lifecycle.handOver(send(node, instance_id, own, meant));
  };

  const turn = (): void => {
    if (!mayDecide()) return;
    if (fresh) {
      const concerned = nodesIn(registry.desired);
      for (const sight of sights()) look(sight, concerned);
    } else if (!refreshing) {
      refreshing = true;
      lifecycle.handOver(freshen());
    }
  };

  const mayDecide = (): boolean => leadership.holds() && !lifecycle.signal.aborted;

  const activate = (): void => {
    if (!mayDecide()) return;
    planned ??= setImmediate(() => {
      planned = undefined;
      turn();
    });
  };

  lifecycle.signal.addEventListener('abort', () => {
    clearImmediate(planned);
  });

  return {
    activate,
    begin() {
      notes.clear();
      refused = NONE;
      fresh = false;
      activate();
    },
    get refused() {
      // Whoever follows hears no answers, and those from before may be old.
      return leadership.holds() ? refused : NONE;
    },
  };
}

const NONE: ReadonlyMap<string, ErrorBody> = new Map();

/** The nodes that the registry says something about. */
const nodesIn = ({ records }: Desired): ReadonlySet<string> =>
  new Set([...records.values()].map(({ node }) => node));

function definitionsOf(records: Desired['records'], node: string): Record<string, AgentDefinition> {
  const own = [...records.values()].filter(record => record.node === node);
  return Object.fromEntries(
    own.map(record => [record.agent_id, forNode(AgentDefinitionSchema.parse(record))]),
  );
}

/** How it is reached is nothing to the node. */
export const forNode = ({ ssh_fallback: _own, ...definition }: AgentDefinition): AgentDefinition =>
  definition;
