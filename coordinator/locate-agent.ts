/** Which node an operator means who names an agent. */
import { CcliError, fromErrorBody } from '../protocol/errors.ts';
import type { OllamaTarget } from '../protocol/registration.ts';
import { agentKey } from '../protocol/subjects.ts';
import { type Desired, notPermitted } from './core/desired.ts';
import type { NodeSight } from './fleet.ts';

/** As it stands in a request. */
interface Named {
  readonly agent_id: string;
  readonly node?: string | undefined;
}

export interface Located {
  readonly node: string;
  readonly agent_id: string;
}

/** An agent that nodes advertise. @throws CcliError `agent_unknown`, `node_unknown`, `node_lost`, `invalid_request` */
export function advertisedAgent(named: Named, sights: readonly NodeSight[]): Located {
  const { agent_id } = named;
  const there = sights.filter(({ advert, alive }) => alive && has(advert.agents, agent_id));
  if (named.node !== undefined) {
    const { advert } = liveNode(named.node, sights);
    if (has(advert.agents, agent_id)) return { node: named.node, agent_id };
    throw unknownAgent(
      named,
      advert.agents.map(agent => agent.agent_id),
    );
  }
  const silent = sights.find(({ advert, alive }) => !alive && has(advert.agents, agent_id));
  if (there.length === 0 && silent !== undefined)
    return locatedOn(liveNode(silent.advert.node, sights), agent_id);
  const all = sights.flatMap(({ advert }) => advert.agents.map(agent => agent.agent_id));
  return locatedOn(
    onlyOne(there, named, () => unknownAgent(named, all)),
    agent_id,
  );
}

/**
 * Where an agent on an Ollama server belongs that no node's file names: where it is registered already, or else where
 * the file permits its server.
 *
 * @throws CcliError `not_permitted`, `node_unknown`, `node_lost`, `invalid_request`
 */
export function permittedAgent(
  named: Named,
  { endpoint }: OllamaTarget,
  sights: readonly NodeSight[],
  { records }: Desired,
): Located {
  const { agent_id } = named;
  const permits = ({ advert }: NodeSight): boolean => advert.ollama_endpoints.includes(endpoint);
  if (named.node !== undefined) {
    const sight = liveNode(named.node, sights);
    if (!permits(sight)) throw fromErrorBody(notPermitted(named.node, endpoint));
    return { node: named.node, agent_id };
  }
  const permitting = sights.filter(sight => sight.alive && permits(sight));
  const before = permitting.filter(({ advert }) => records.has(agentKey(advert.node, agent_id)));
  const none = (): CcliError =>
    new CcliError(
      'not_permitted',
      `No node that is there permits agents on ${endpoint}; add it to permit.ollama.endpoints in the file of the node that is to reach it.`,
    );
  return locatedOn(onlyOne(before.length > 0 ? before : permitting, named, none), agent_id);
}

/** One that is in the registry. @throws CcliError `agent_unknown`, `agent_not_registered`, `invalid_request` */
export function registeredAgent(
  { agent_id, node }: Named,
  { records, unreadable }: Desired,
  sights: readonly NodeSight[],
): Located {
  const keys = [...records.keys(), ...unreadable.keys()];
  const nodes = keys.flatMap(key =>
    key.endsWith(`.${agent_id}`) ? [key.slice(0, -agent_id.length - 1)] : [],
  );
  const meant = nodes.filter(name => node === undefined || name === node);
  const [only, another] = meant;
  if (only !== undefined && another === undefined) return { node: only, agent_id };
  if (only !== undefined) throw ambiguous(agent_id, meant);
  if (sights.some(({ advert }) => (node ?? advert.node) === advert.node && has(advert.agents, agent_id))) {
    throw new CcliError(
      'agent_not_registered',
      `${agent_id} is there, but in no registration; register it first.`,
    );
  }
  throw unknownAgent(
    { agent_id, node },
    keys.map(key => key.slice(key.indexOf('.') + 1)),
    'registered',
  );
}

const has = (agents: readonly { readonly agent_id: string }[], agent_id: string): boolean =>
  agents.some(agent => agent.agent_id === agent_id);

const locatedOn = ({ advert }: NodeSight, agent_id: string): Located => ({ node: advert.node, agent_id });

/** @throws CcliError `node_unknown`, `node_lost`, `wrong_instance` */
function liveNode(node: string, sights: readonly NodeSight[]): NodeSight {
  const sight = sights.find(({ advert }) => advert.node === node);
  if (sight === undefined) throw unknownNode(node, sights);
  if (!sight.alive)
    throw new CcliError('node_lost', `Node ${node} is silent; the list of nodes shows whether it is back.`);
  if (sight.contested)
    throw new CcliError('wrong_instance', `Two daemons call themselves ${node}; stop one, then try again.`);
  return sight;
}

function onlyOne(found: readonly NodeSight[], { agent_id }: Named, none: () => CcliError): NodeSight {
  const [only, another] = found;
  if (only === undefined) throw none();
  if (another === undefined) return liveNode(only.advert.node, found);
  throw ambiguous(
    agent_id,
    found.map(({ advert }) => advert.node),
  );
}

const ambiguous = (agent_id: string, nodes: readonly string[]): CcliError =>
  new CcliError(
    'invalid_request',
    `Several nodes come into question for ${agent_id}: ${[...nodes].sort().join(', ')}. Say which with \`node\`.`,
  );

const SHOWN = 20;

/** `there are a, b, …` */
function enumerate(names: readonly string[], none: string): string {
  const all = [...new Set(names)].sort();
  if (all.length === 0) return none;
  const shown = all.slice(0, SHOWN).join(', ');
  return `there ${all.length === 1 ? 'is' : 'are'} ${shown}${all.length > SHOWN ? ', …' : ''}`;
}

const unknownAgent = ({ agent_id, node }: Named, there: readonly string[], what = 'called'): CcliError =>
  new CcliError(
    'agent_unknown',
    what === 'called'
      ? `No agent${node === undefined ? '' : ` of node ${node}`} is called "${agent_id}"; ${enumerate(there, 'there is none')}.`
      : `No agent is registered as "${agent_id}"${node === undefined ? '' : ` on ${node}`}; ${enumerate(there, 'none is registered')}.`,
  );

export const unknownNode = (node: string, sights: readonly NodeSight[]): CcliError =>
  new CcliError(
    'node_unknown',
    `No node is called "${node}"; ${enumerate(
      sights.map(({ advert }) => advert.node),
      'none has joined',
    )}.`,
  );
