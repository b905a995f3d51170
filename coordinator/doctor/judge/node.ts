import { fail, ok, type Verdict, warn } from '../../../protocol/finding.ts';
import type { NodeView } from '../../../protocol/operation.ts';

/** Results that a node hands over at once, unless something is in the way. */
const OUTBOX_NORMAL = 10;
/** One advert may be late; after three the node counts as lost. */
const LATE_INTERVALS = 2;

export type NodeFacts = Pick<
  NodeView,
  | 'node'
  | 'alive'
  | 'contested'
  | 'draining'
  | 'full'
  | 'outbox'
  | 'silent_ms'
  | 'interval_ms'
  | 'version'
  | 'node_js'
  | 'agents'
  | 'running'
  | 'slots'
  | 'transport'
  | 'stand_in'
>;

export function judgeNode(node: NodeFacts): readonly Verdict[] {
  const { alive, silent_ms, interval_ms } = node;
  if (!alive) {
    return [
      fail(
        `${node.node} is lost: it has been silent for ${Math.round(silent_ms / 1_000)} s.`,
        `Look whether the host is up and its node-agent runs: \`ccli doctor ${node.node}\` where SSH reaches it.`,
        { code: 'node_lost' },
      ),
    ];
  }
  const found = [
    ...contested(node),
    ...room(node),
    ...outbox(node),
    ...draining(node),
    ...otherWay(node),
    ...(silent_ms > LATE_INTERVALS * interval_ms
      ? [
          warn(
            `${node.node} has been silent for ${Math.round(silent_ms / 1_000)} s, and says something every ${Math.round(interval_ms / 1_000)} s otherwise.`,
            'Look at the load of the host and at the network between it and NATS.',
          ),
        ]
      : []),
  ];
  if (found.length > 0) return found;
  const { version, node_js, agents, running, slots } = node;
  return [
    ok(
      `Alive, ccli ${version} under Node ${node_js.replace(/^v/, '')}, ${agents === 1 ? '1 agent' : `${agents} agents`}, ${running} of ${slots} slots taken.`,
    ),
  ];
}

const contested = ({ node, contested }: NodeFacts): readonly Verdict[] =>
  contested
    ? [
        fail(
          `Two daemons say they are ${node}: neither gets work.`,
          'Stop one of them, or give it another name with `node` of its configuration.',
        ),
      ]
    : [];

const room = ({ node, full }: NodeFacts): readonly Verdict[] =>
  full
    ? [
        fail(
          `${node} takes nothing new: its disk has no room for another result.`,
          'Free some room where its state_dir lies.',
          { code: 'disk_full' },
        ),
      ]
    : [];

const outbox = ({ node, outbox }: NodeFacts): readonly Verdict[] =>
  outbox > OUTBOX_NORMAL
    ? [
        warn(
          `${outbox} results wait on the disk of ${node} to be taken.`,
          'Look whether a coordinator leads, and at the log of the node.',
        ),
      ]
    : [];

const draining = ({ node, draining, running }: NodeFacts): readonly Verdict[] =>
  draining
    ? [
        warn(
          `${node} is ${running > 0 ? `draining, ${running} tasks still run` : 'drained'}: it takes nothing new.`,
          `\`ccli node resume ${node}\` lets it take work again.`,
          { code: 'draining' },
        ),
      ]
    : [];

/** By policy, or because NATS does not reach it: either way it works, and somebody may want to know. */
const otherWay = ({ node, transport, stand_in }: NodeFacts): readonly Verdict[] => {
  if (stand_in !== true && transport === undefined) return [];
  const says =
    stand_in === true ? 'its daemon is away, and a stand-in works over SSH' : 'it is reached over SSH';
  return [
    warn(
      `${node} is not reached over NATS: ${says}.`,
      `See why with \`ccli doctor ${node}\`; the normal road comes back by itself once NATS reaches it.`,
    ),
  ];
};
