/** Puts together what reaches nodes over SSH. Without a host set up for it, there is none of it. */
import type { JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import type { Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import type { SshFallback } from '../protocol/registration.ts';
import { agentKey, type Names } from '../protocol/subjects.ts';
import { daemonEnvironment } from './config.ts';
import { policiesOf, registeredOn, wantsLine } from './core/lines.ts';
import type { Fleet } from './fleet.ts';
import { answerFor } from './lines/answer-for.ts';
import { lineCommand } from './lines/command.ts';
import { createLineKeeper, type LineCounts, type LineKeeper, type OpenLine } from './lines/keeper.ts';
import { createRelay } from './lines/relay.ts';
import { type Way, wayTo } from './lines/way.ts';
import type { Registry } from './registry.ts';
import type { SshSettings } from './ssh/settings.ts';
import type { Ssh, SshCounts } from './ssh/ssh.ts';

export interface Lines {
  /** Undefined when SSH is set up for no node. */
  readonly keeper: LineKeeper | undefined;
  readonly wayTo: (node: string, agent_id: string | undefined) => Way;
  /** By node, whether tasks may go there over SSH. */
  readonly defaults: ReadonlyMap<string, SshFallback>;
  readonly counts: () => LinesCounts;
}

/** For metrics. */
export interface LinesCounts {
  readonly lines: readonly LineCounts[];
  /** Reports that came over a line and are in the report stream. */
  readonly reports: number;
  readonly ssh: readonly SshCounts[];
}

interface OpenLinesOptions {
  readonly settings: SshSettings;
  /** In place of SSH. */
  readonly openLine?: OpenLine;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly names: Names;
  readonly coordinator_id: string;
  readonly fleet: Fleet;
  readonly registry: Pick<Registry, 'desired'>;
  readonly leads: () => boolean;
  readonly linked: () => boolean;
  readonly clock: () => number;
  readonly random: () => number;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

const NO_COUNTS: LinesCounts = { lines: [], reports: 0, ssh: [] };

export async function openLines(options: OpenLinesOptions): Promise<Lines> {
  const { settings, fleet, registry, lifecycle, log } = options;
  const { hosts } = settings;
  const nodes = Object.keys(hosts);
  const defaults = new Map(Object.entries(hosts).map(([node, { fallback }]) => [node, fallback]));

  const policyOf = (node: string, agent_id: string): SshFallback | undefined =>
    registry.desired.records.get(agentKey(node, agent_id))?.ssh_fallback ?? defaults.get(node);
  const registered = registeredOn(() => registry.desired);
  const overSsh = (node: string): boolean => fleet.node(node)?.transport === 'ssh';
  const ways = (keeper?: LineKeeper): Lines['wayTo'] => {
    const line = (node: string) => keeper?.open(node);
    return (node, agent_id) => wayTo({ line, overSsh, policyOf }, node, agent_id);
  };
  if (nodes.length === 0) return { keeper: undefined, wayTo: ways(), defaults, counts: () => NO_COUNTS };

  const ssh = options.openLine === undefined ? await sshOf(options) : undefined;
  const relay = createRelay(options);
  const keeper = createLineKeeper({
    ...options,
    nodes,
    relay,
    openLine: options.openLine ?? openOver(ssh, hosts),
    wanted(node) {
      const own = defaults.get(node) ?? 'off';
      const agents = new Set(fleet.node(node)?.advert.agents.map(({ agent_id }) => agent_id));
      for (const agent_id of registered(node)) agents.add(agent_id);
      return wantsLine(
        policiesOf(agents, agent_id => policyOf(node, agent_id), own),
        fleet.reach(node),
      );
    },
    onAdvert: fleet.hear,
    onEnded: fleet.lineEnded,
    serve: line => answerFor(line, { ...options, overSsh }),
  });
  lifecycle.every(LOOK_MS, keeper.activate);
  log.info('lines_ready', { nodes });
  return {
    keeper,
    wayTo: ways(keeper),
    defaults,
    counts: () => ({ lines: keeper.counts(), reports: relay.reports(), ssh: ssh?.counts() ?? [] }),
  };
}

/** Soon enough for what takes seconds to be noticed, and rare enough for a thousand nodes. */
const LOOK_MS = 500;

async function sshOf({ settings, lifecycle, log }: OpenLinesOptions): Promise<Ssh> {
  const { hosts: _hosts, ...client } = settings;
  // Loaded when it is needed: most coordinators never use it.
  const { createSsh } = await import('./ssh/client.ts');
  const ssh = createSsh({ settings: client, environment: daemonEnvironment(), log });
  lifecycle.defer('ssh', () => ssh.close());
  return ssh;
}

const openOver =
  (ssh: Ssh | undefined, hosts: SshSettings['hosts']): OpenLine =>
  async (node, signal) => {
    const host = hosts[node];
    if (ssh === undefined || host === undefined)
      throw new CcliError('ssh_unreachable', `SSH is not set up for ${node}.`);
    return await ssh.host(host.host).open(lineCommand(host), signal);
  };
