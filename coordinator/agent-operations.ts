/** What operators do with the registry of agents. Any coordinator serves them; the leading one configures the nodes. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { check, WIRE_VERSION } from '../protocol/codec.ts';
import { CcliError, type ErrorBody } from '../protocol/errors.ts';
import { REGISTER_LIMIT_MS } from '../protocol/limits.ts';
import type { AgentView, OperationRequest } from '../protocol/operation.ts';
import {
  type AgentDefinition,
  AgentDefinitionSchema,
  type AgentRegistration,
  AgentRegistrationSchema,
} from '../protocol/registration.ts';
import { agentKey } from '../protocol/subjects.ts';
import type { Operation } from './caller.ts';
import { forNode } from './configure.ts';
import { type Candidate, conditionOf } from './core/placement.ts';
import type { AgentChange } from './events.ts';
import type { Fleet } from './fleet.ts';
import { advertisedAgent, type Located, permittedAgent, registeredAgent } from './locate-agent.ts';
import type { Nodes } from './nodes.ts';
import { refuseFinding } from './probe-finding.ts';
import type { Registry } from './registry.ts';
import { agentView } from './views.ts';

export type AgentOperations = {
  readonly [N in 'register' | 'update' | 'remove' | 'test' | 'verify' | 'registration']: Operation<N>;
};

interface AgentOperationsOptions {
  readonly registry: Registry;
  readonly fleet: Pick<Fleet, 'nodes' | 'node'>;
  readonly nodes: Pick<Nodes, 'probe' | 'verify'>;
  /** The agents as the registry shows them now. */
  readonly candidates: () => readonly Candidate[];
  readonly onChanged: (agent: Located, change: AgentChange) => void;
  /** For display. */
  readonly now: () => number;
}

/** How long a change waits for its node to take it up, and what of the whole limit that leaves for a probe. */
const TAKEN_UP_LIMIT_MS = { register: 10_000, update: 3_000 };
const PROBE_LIMIT_MS = REGISTER_LIMIT_MS - TAKEN_UP_LIMIT_MS.register - 5_000;
const LOOK_AGAIN_MS = 25;

export function createAgentOperations(options: AgentOperationsOptions): AgentOperations {
  const { registry, fleet, nodes, candidates, onChanged, now } = options;

  const candidateOf = ({ node, agent_id }: Located): Candidate | undefined =>
    candidates().find(one => one.node === node && one.status.agent_id === agent_id);

  /** Whether nothing more is to come of the last change. */
  const isTakenUp = (located: Located): boolean => {
    const sight = fleet.node(located.node);
    if (sight?.alive !== true || sight.contested) return true;
    const status = candidateOf(located)?.status;
    if (status === undefined || status.problem?.code === 'not_permitted') return true;
    return sight.advert.config_revision === registry.desired.revision && status.health !== 'starting';
  };

  /** The agent once its node has taken the change up; as it is, with what it waits for, when that takes too long. */
  const shown = async (located: Located, limit_ms: number, signal: AbortSignal): Promise<AgentView> => {
    const end = performance.now() + limit_ms;
    while (!isTakenUp(located) && performance.now() < end && !signal.aborted) await delay(LOOK_AGAIN_MS);
    const candidate = candidateOf(located);
    if (candidate !== undefined) return agentView(candidate);
    throw new CcliError('agent_unknown', `${located.agent_id} was removed meanwhile.`);
  };

  return {
    async register({ canary, agent_id, node, ...definition }, { signal }) {
      await registry.refresh();
      refuseClosed(registry);
      const sights = fleet.nodes();
      const located = locate({ agent_id, node }, definition, sights, registry);
      const key = agentKey(located.node, agent_id);
      registry.refuseUnreadable(key);
      const before = registry.desired.records.get(key);
      const wanted = definitionOver(definition, before);
      const asked = { agent_id, canary, definition: forNode(wanted) };
      const found = await nodes.probe(located.node, asked, PROBE_LIMIT_MS);
      refuseFinding(located.node, found);
      // A probe takes minutes: what others have decided meanwhile is not to be undone by what was asked before.
      await registry.refresh();
      await registry.put(key, known => {
        refuseClosed(registry);
        refuseChanged(located, before, known);
        return {
          v: WIRE_VERSION,
          ...wanted,
          ...located,
          agent_type: found.agent_type,
          registered_at_ms: now(),
          ...(found.cli_version !== undefined && { cli_version: found.cli_version }),
          canary: canary ? 'passed' : 'skipped',
        };
      });
      onChanged(located, 'registered');
      return { agent: await shown(located, TAKEN_UP_LIMIT_MS.register, signal) };
    },
    async update({ agent_id, node, ...changes }, { signal }) {
      await registry.refresh();
      const located = registeredAgent({ agent_id, node }, registry.desired, fleet.nodes());
      await registry.put(agentKey(located.node, agent_id), known => {
        if (known === undefined) throw new CcliError('agent_unknown', `${agent_id} was removed meanwhile.`);
        return changed(known, changes);
      });
      onChanged(located, 'updated');
      return { agent: await shown(located, TAKEN_UP_LIMIT_MS.update, signal) };
    },
    async remove({ agent_id, node }) {
      await registry.refresh();
      const located = registeredAgent({ agent_id, node }, registry.desired, fleet.nodes());
      await registry.remove(agentKey(located.node, agent_id));
      onChanged(located, 'removed');
      return { removed: true, node: located.node };
    },
    async test({ agent_id, node, canary }) {
      const located = advertisedAgent({ agent_id, node }, fleet.nodes());
      const began = performance.now();
      const { canary_error, ...status } = await nodes.probe(
        located.node,
        { agent_id, canary },
        PROBE_LIMIT_MS,
      );
      const took_ms = Math.round(performance.now() - began);
      const candidate = candidateOf(located);
      if (candidate === undefined) throw new CcliError('agent_unknown', `${agent_id} was removed meanwhile.`);
      const tested = { ...candidate, status };
      const problem = canary_error ?? hindranceOf(tested);
      return {
        ok: problem === undefined,
        agent: agentView(tested),
        ...(problem !== undefined && { problem }),
        took_ms,
      };
    },
    async verify({ agent_id, node, ...request }) {
      const located = advertisedAgent({ agent_id, node }, fleet.nodes());
      return { ...(await nodes.verify(located.node, { agent_id, ...request })), node: located.node };
    },
    async registration({ open }) {
      await registry.refresh();
      if (open !== undefined) await registry.setOpen(open);
      return { open: registry.open };
    },
  };
}

/** Why it takes no task; that its slots are taken is none of its faults. */
function hindranceOf(candidate: Candidate): ErrorBody | undefined {
  const condition = conditionOf({ ...candidate, used: 0 });
  return condition.fit === 'free' ? undefined : condition.why;
}

/**
 * Registered again without a target, an agent that only the registry defines keeps the one it has; and one that somebody
 * has disabled stays so unless the request says otherwise: a list of agents is imported again and again.
 */
const definitionOver = (given: AgentDefinition, before: AgentDefinition | undefined): AgentDefinition => {
  const ollama = given.ollama ?? before?.ollama;
  const enabled = given.enabled ?? (before?.enabled === false ? false : undefined);
  return { ...given, ...(ollama !== undefined && { ollama }), ...(enabled !== undefined && { enabled }) };
};

function refuseClosed({ open }: Pick<Registry, 'open'>): void {
  if (!open) throw new CcliError('registration_off');
}

/** @throws CcliError `registration_changed` when what was asked for may not be what is wanted any more */
function refuseChanged(
  { agent_id, node }: Located,
  before: AgentRegistration | undefined,
  known: AgentRegistration | undefined,
): void {
  if (isDeepStrictEqual(settingsOf(before), settingsOf(known))) return;
  const what = known === undefined ? 'removed' : before === undefined ? 'registered' : 'changed';
  throw new CcliError(
    'registration_changed',
    `Somebody has ${what} ${agent_id} on ${node} while it was looked at, and that stands; look at the agent, then register it again if that is still wanted.`,
  );
}

/** What two registrations of one agent can differ in that somebody has asked for. */
const settingsOf = (record: AgentRegistration | undefined): AgentDefinition | undefined =>
  record && AgentDefinitionSchema.parse(record);

function locate(
  named: { agent_id: string; node: string | undefined },
  { ollama }: AgentDefinition,
  sights: ReturnType<Fleet['nodes']>,
  { desired }: Registry,
): Located {
  if (ollama !== undefined) return permittedAgent(named, ollama, sights, desired);
  const defined = [...desired.records.values()].filter(
    ({ agent_id, node, ollama: target }) =>
      agent_id === named.agent_id && (named.node ?? node) === node && target !== undefined,
  );
  const [only] = defined;
  if (only?.ollama !== undefined && defined.length === 1)
    return permittedAgent({ ...named, node: only.node }, only.ollama, sights, desired);
  return advertisedAgent(named, sights);
}

type Changes = Omit<OperationRequest<'update'>, 'agent_id' | 'node'>;

/** Null gives a field back to the node's file. */
function changed(known: AgentRegistration, changes: Changes): AgentRegistration {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const back = new Set(given.filter(([, value]) => value === null).map(([name]) => name));
  const kept = Object.entries({ ...known, ...Object.fromEntries(given) }).filter(([name]) => !back.has(name));
  return check(AgentRegistrationSchema, Object.fromEntries(kept));
}
