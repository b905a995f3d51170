/** The nodes and agents as their adverts tell of them. */
import { type Advert, AdvertSchema } from '../protocol/advert.ts';
import type { AgentStatus } from '../protocol/agent.ts';
import { decode } from '../protocol/codec.ts';
import type { Log } from '../protocol/daemon/log.ts';
import { toErrorBody } from '../protocol/errors.ts';
import type { FleetEvent } from '../protocol/event.ts';
import { nodeOf } from '../protocol/subjects.ts';
import { type NodeStanding, type Overlay, withDesired } from './core/desired.ts';
import type { Reach } from './core/lines.ts';
import { hear, isContested, isLost, leave, type NodeRecord } from './core/liveness.ts';
import type { Candidate } from './core/placement.ts';
import {
  type Hearing,
  heardOnLine,
  heardOnNats,
  isLined,
  isOffNats,
  lineEnded,
  NO_WIRES,
  type Wires,
} from './core/wires.ts';
import type { TaskEntry } from './task-entry.ts';

type NodeChange = Extract<FleetEvent, { kind: 'node' }>['change'];

export interface NodeSight {
  readonly advert: Advert;
  readonly alive: boolean;
  readonly contested: boolean;
  /** While contested: what the other daemon of this name says. */
  readonly rival?: Advert;
  readonly silent_ms: number;
  /** How it is reached; absent for NATS. */
  readonly transport?: 'ssh';
  /** A line to it is there, whether or not NATS is. */
  readonly lined?: true;
}

/** How an advert came: itself, or from the coordinator whose line it came over. */
type Wire = 'nats' | 'line';

export interface Fleet {
  /** An advert as it came; one that does not fit is counted and dropped. */
  readonly receive: (subject: string, bytes: Uint8Array, wire?: Wire) => void;
  /** What a node says over a line of ours. */
  readonly hear: (advert: Advert) => void;
  /** A line of ours has ended. */
  readonly lineEnded: (node: string) => void;
  /** What decides whether a line to the node is wanted; of one that was never heard of as well. */
  readonly reach: (node: string) => Reach;
  readonly nodes: () => NodeSight[];
  node(name: string): NodeSight | undefined;
  /** @param given tasks this coordinator has placed and not seen ended, by `slotKey` */
  candidates(given: ReadonlyMap<string, number>): Candidate[];
  /** How long nothing was heard of a node that we could have heard; known or not. */
  silence(node: string): number;
  /** Silence counts only while we listen: a coordinator that was cut off itself must not call every node lost. */
  readonly deafen: () => void;
  readonly listen: () => void;
  /** Tells of nodes that fell silent since the last call. */
  tick(): void;
  /** Whether every live node has had time to advertise itself. */
  readonly settled: boolean;
  readonly malformed: number;
}

/** Slots taken by tasks that are placed, by `slotKey`. */
export function countSlots(placed: Iterable<TaskEntry>): Map<string, number> {
  const taken = new Map<string, number>();
  for (const { state } of placed) {
    const attempt = state.attempts.at(-1);
    if (attempt === undefined) continue;
    const slot = slotKey(attempt.node, attempt.agent_id);
    taken.set(slot, (taken.get(slot) ?? 0) + 1);
  }
  return taken;
}

export const slotKey = (node: string, agent_id: string): string => `${node}/${agent_id}`;

interface FleetOptions {
  readonly prefix: string;
  readonly clock: () => number;
  readonly settle_ms: number;
  readonly onChange: () => void;
  readonly onNode: (node: string, change: NodeChange, instance_id: string) => void;
  /** What the registry makes of the agents; without it, each may take work as its node offers it. */
  readonly overlay?: () => Overlay;
  readonly log: Log;
}

const UNREGISTERED: Overlay = {
  desired: { revision: 0, records: new Map(), unreadable: new Map() },
  discovered: 'allow',
  refused: new Map(),
};

/** A cooldown goes on while its node is silent. */
const cooledFor = (status: AgentStatus, ms: number): AgentStatus =>
  status.cooldown_ms === undefined
    ? status
    : { ...status, cooldown_ms: Math.max(0, status.cooldown_ms - ms) };

/** Earlier instances of a node that are remembered: one of them that speaks again is a second daemon. */
const FORMER_KEPT = 32;

export function createFleet(options: FleetOptions): Fleet {
  const { prefix, clock, settle_ms, onChange, onNode, log, overlay = () => UNREGISTERED } = options;
  const records = new Map<string, NodeRecord>();
  const retired = new Map<string, Set<string>>();
  const wires = new Map<string, Wires>();
  const lost = new Set<string>();
  const began = clock();
  let malformed = 0;
  let listening_since = began;
  let deaf_since: number | undefined;

  /** Stands still while we are deaf. */
  const hearing = (): number => deaf_since ?? clock();

  const onNats = (): Hearing => ({ now_ms: hearing(), since_ms: listening_since });
  const wiresOf = (node: string): Wires => wires.get(node) ?? NO_WIRES;

  /** A record as if heard when we began to listen, if that was later. */
  const fresh = (record: NodeRecord): NodeRecord => {
    const left = record.advert.leaving;
    return left || record.at_ms >= listening_since ? record : { ...record, at_ms: listening_since };
  };

  const sight = (record: NodeRecord): NodeSight => {
    const now = hearing();
    const heard = fresh(record);
    const contested = isContested(heard, now);
    const own = wiresOf(record.advert.node);
    return {
      advert: record.advert,
      alive: !isLost(heard, now),
      contested,
      ...(contested && record.rival !== undefined && { rival: record.rival.advert }),
      silent_ms: Math.max(0, Math.round(now - heard.at_ms)),
      ...(own.by_line && { transport: 'ssh' }),
      ...(isLined(own, clock()) && { lined: true }),
    };
  };

  const accept = (advert: Advert, wire: Wire): void => {
    const { node, instance_id } = advert;
    const before = wiresOf(node);
    const now = clock();
    wires.set(
      node,
      wire === 'nats' ? heardOnNats(before, advert, now) : heardOnLine(before, advert, now, onNats()),
    );
    const known = records.get(node);
    if (advert.leaving) {
      records.set(node, leave(known, advert, clock()));
      lost.add(node);
      onNode(node, 'left', instance_id);
      onChange();
      return;
    }
    const former = retired.get(node) ?? new Set();
    const { record, change } = hear(known, advert, clock(), former);
    records.set(node, record);
    if (change === 'joined') onNode(node, 'joined', instance_id);
    if (change === 'restarted' && known !== undefined) {
      const [oldest] = former.add(known.advert.instance_id);
      if (former.size > FORMER_KEPT && oldest !== undefined) former.delete(oldest);
      retired.set(node, former);
      onNode(node, 'restarted', instance_id);
    }
    if (change === 'contested') log.warn('node_contested', { node, instance_id });
    if (lost.delete(node)) onNode(node, 'returned', instance_id);
    onChange();
  };

  return {
    get settled() {
      return clock() - began >= settle_ms;
    },
    get malformed() {
      return malformed;
    },
    hear(advert) {
      accept(advert, 'line');
    },
    lineEnded(node) {
      wires.set(node, lineEnded(wiresOf(node)));
      onChange();
    },
    reach(node) {
      const own = wiresOf(node);
      // While we are deaf ourselves, it is not the node that is away.
      const off_nats = deaf_since === undefined && isOffNats(own, onNats());
      return { left: own.left, by_line: own.by_line, off_nats };
    },
    receive(subject, bytes, wire = 'nats') {
      try {
        const advert = decode(AdvertSchema, bytes);
        if (nodeOf(prefix, subject) !== advert.node) throw new Error('the advert speaks for another node');
        accept(advert, wire);
      } catch (error) {
        malformed += 1;
        log.warn('advert_malformed', { subject, error_code: toErrorBody(error).code });
      }
    },
    nodes: () => [...records.values()].map(sight),
    node(name) {
      const record = records.get(name);
      return record && sight(record);
    },
    candidates(given) {
      const standings: NodeStanding[] = [];
      const advertised = [...records.values()].flatMap(record => {
        const { advert, alive, contested, silent_ms, transport, lined } = sight(record);
        const { node, instance_id, draining, full, config_revision, ollama_endpoints } = advert;
        const standing = { node, instance_id, alive, contested, draining, full };
        const way = { ...(transport !== undefined && { transport }), ...(lined !== undefined && { lined }) };
        standings.push({ ...standing, ...way, config_revision, ollama_endpoints });
        const rivals = contested ? (record.rival?.advert.agents ?? []) : [];
        const known = new Set(advert.agents.map(agent => agent.agent_id));
        // Of two daemons under one name, the agents of both are there, and none can take work.
        return [...advert.agents, ...rivals.filter(agent => !known.has(agent.agent_id))].map(status => ({
          ...standing,
          status: cooledFor(status, silent_ms),
          registration: 'discovered' as const,
          allowed: true,
          used: Math.max(status.running, given.get(slotKey(node, status.agent_id)) ?? 0),
        }));
      });
      return withDesired(advertised, standings, overlay());
    },
    silence(node) {
      const record = records.get(node);
      return record === undefined ? hearing() - listening_since : sight(record).silent_ms;
    },
    deafen() {
      deaf_since ??= clock();
    },
    listen() {
      deaf_since = undefined;
      listening_since = clock();
    },
    tick() {
      for (const [node, record] of records) {
        if (lost.has(node) || !isLost(fresh(record), hearing())) continue;
        lost.add(node);
        log.warn('node_lost', { node });
        onNode(node, 'lost', record.advert.instance_id);
      }
    },
  };
}
