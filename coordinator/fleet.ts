/** The nodes and agents as their adverts tell of them. */
import { type Advert, AdvertSchema } from '../protocol/advert.ts';
import { decode } from '../protocol/codec.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { FleetEvent } from '../protocol/event.ts';
import { nodeOf } from '../protocol/subjects.ts';
import { hear, isContested, isLost, type NodeRecord } from './core/liveness.ts';
import type { Candidate } from './core/placement.ts';

type NodeChange = Extract<FleetEvent, { kind: 'node' }>['change'];

export interface NodeSight {
  readonly advert: Advert;
  readonly alive: boolean;
  readonly contested: boolean;
  readonly silent_ms: number;
}

export interface Fleet {
  /** An advert as it came; one that does not fit is counted and dropped. */
  readonly receive: (subject: string, bytes: Uint8Array) => void;
  nodes(): NodeSight[];
  node(name: string): NodeSight | undefined;
  /** @param given tasks this coordinator has placed and not seen ended, by `slotKey` */
  candidates(given: ReadonlyMap<string, number>): Candidate[];
  /** Tells of nodes that fell silent since the last call. */
  tick(): void;
  /** Whether every live node has had time to advertise itself. */
  readonly settled: boolean;
  readonly malformed: number;
}

export const slotKey = (node: string, agent_id: string): string => `${node}/${agent_id}`;

interface FleetOptions {
  readonly prefix: string;
  readonly clock: () => number;
  readonly settle_ms: number;
  readonly onChange: () => void;
  readonly onNode: (node: string, change: NodeChange, instance_id: string) => void;
  readonly log: Log;
}

export function createFleet({ prefix, clock, settle_ms, onChange, onNode, log }: FleetOptions): Fleet {
  const records = new Map<string, NodeRecord>();
  const retired = new Map<string, Set<string>>();
  const lost = new Set<string>();
  const began = clock();
  let malformed = 0;

  const sight = (record: NodeRecord): NodeSight => {
    const now = clock();
    return {
      advert: record.advert,
      alive: !isLost(record, now),
      contested: isContested(record, now),
      silent_ms: Math.round(now - record.at_ms),
    };
  };

  const accept = (advert: Advert): void => {
    const { node, instance_id } = advert;
    const known = records.get(node);
    const former = retired.get(node) ?? new Set();
    const { record, change } = hear(known, advert, clock(), former);
    records.set(node, record);
    if (change === 'joined') onNode(node, 'joined', instance_id);
    if (change === 'restarted' && known !== undefined) {
      retired.set(node, former.add(known.advert.instance_id));
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
    receive(subject, bytes) {
      try {
        const advert = decode(AdvertSchema, bytes);
        if (nodeOf(prefix, subject) !== advert.node) throw new Error('the advert speaks for another node');
        accept(advert);
      } catch (error) {
        malformed += 1;
        log.warn('advert_malformed', { subject, ...errorFields(error) });
      }
    },
    nodes: () => [...records.values()].map(sight),
    node(name) {
      const record = records.get(name);
      return record && sight(record);
    },
    candidates(given) {
      return [...records.values()].flatMap(record => {
        const { advert, alive, contested } = sight(record);
        return advert.agents.map(status => ({
          node: advert.node,
          instance_id: advert.instance_id,
          status,
          alive,
          contested,
          draining: advert.draining,
          used: Math.max(status.running, given.get(slotKey(advert.node, status.agent_id)) ?? 0),
        }));
      });
    },
    tick() {
      for (const [node, record] of records) {
        if (lost.has(node) || !isLost(record, clock())) continue;
        lost.add(node);
        log.warn('node_lost', { node });
        onNode(node, 'lost', record.advert.instance_id);
      }
    },
  };
}
