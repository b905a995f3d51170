/** What the `model` of an OpenAI request may be here, and which agents it means. */
import { AGENT_TYPES, ModelSchema, SPECIALTIES } from '../../../protocol/agent.ts';
import { hasModel } from '../../../protocol/model-name.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import type { TaskOptions } from '../../../protocol/task.ts';
import { ParameterError } from './parameter-error.ts';

/** Any agent. */
export const AUTO = 'ccli/auto';
const PREFIX = 'ccli/';

/** Of an agent, what its names are made from. */
export type Named = Pick<
  AgentView,
  'agent_id' | 'agent_type' | 'specialty' | 'model' | 'models' | 'loaded_models' | 'node'
> &
  Partial<Pick<AgentView, 'available' | 'running' | 'max_concurrent'>>;

export type Aim = Pick<TaskOptions, 'agent_id' | 'agent_type' | 'specialty' | 'model' | 'fallback'>;

export interface ModelName {
  readonly id: string;
  readonly owned_by: string;
}

/** Every name that `aimOf` takes, but for those put together with `@`; the most telling ones first. */
export function modelNames(agents: readonly Named[]): ModelName[] {
  const types = AGENT_TYPES.filter(type => agents.some(({ agent_type }) => agent_type === type));
  const specialties = SPECIALTIES.filter(one => agents.some(({ specialty }) => specialty.includes(one)));
  const names = [
    { id: AUTO, owned_by: 'ccli' },
    ...agents.map(({ agent_id, node }) => ({ id: agent_id, owned_by: node })),
    ...types.map(id => ({ id, owned_by: 'ccli' })),
    ...[...types, ...specialties].map(name => ({ id: `${PREFIX}${name}`, owned_by: 'ccli' })),
    ...agents.flatMap(agent => advertised(agent).map(id => ({ id, owned_by: agent.agent_type }))),
  ];
  const seen = new Set<string>();
  return names.filter(({ id }) => !seen.has(id) && seen.add(id));
}

/**
 * An agent by its id comes before a type, a type before a model. `<agent or type>@<model>` asks for one of its models.
 *
 * @throws ParameterError `model_not_found`
 */
export function aimOf(name: string, agents: readonly Named[]): Aim {
  const aim = whom(name, agents) ?? modelOf(name, agents) ?? advertisers(name, {}, agents);
  if (aim !== undefined) return aim;
  throw new ParameterError('model_not_found', 'model', unknown(name, agents));
}

function whom(name: string, agents: readonly Named[]): Aim | undefined {
  if (name === AUTO) return {};
  if (agents.some(({ agent_id }) => agent_id === name)) return { agent_id: name };
  const kind = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
  const agent_type = AGENT_TYPES.find(type => type === kind);
  if (agent_type !== undefined && agents.some(agent => agent.agent_type === agent_type))
    return { agent_type };
  const specialty = SPECIALTIES.find(one => one === kind);
  const offered = name !== kind && agents.some(agent => agent.specialty.some(one => one === specialty));
  return specialty !== undefined && offered ? { specialty } : undefined;
}

function modelOf(name: string, agents: readonly Named[]): Aim | undefined {
  const at = name.indexOf('@');
  if (at < 0) return undefined;
  const aim = whom(name.slice(0, at), agents);
  const model = ModelSchema.safeParse(name.slice(at + 1));
  if (aim === undefined || !model.success) return undefined;
  return advertisers(model.data, aim, agents) ?? { ...aim, model: model.data };
}

/** Whether the agent is one of those that a task may go to. */
export const isMeant = (agent: Named, { agent_id, agent_type, specialty, model, fallback }: Aim): boolean =>
  (agent_id === undefined || agent_id === agent.agent_id) &&
  (agent_type === undefined || agent_type === agent.agent_type) &&
  (fallback === undefined || fallback.includes(agent.agent_id)) &&
  (specialty === undefined || agent.specialty.includes(specialty)) &&
  (model === undefined || agent.models === undefined || hasModel(agent, agent.models, model));

/** As many as a chain may have. */
const MOST_IN_CHAIN = 8;

/** Only those that say they have it: others that would try any model are not asked for one of somebody else's. */
function advertisers(name: string, among: Aim, agents: readonly Named[]): Aim | undefined {
  const model = ModelSchema.safeParse(name);
  const having = agents.filter(agent => isMeant(agent, among) && hasModel(agent, advertised(agent), name));
  const [first] = having;
  if (!model.success || first === undefined) return undefined;
  const { specialty } = among;
  const of = { ...(specialty !== undefined && { specialty }), model: model.data };
  if (having.every(({ agent_id }) => agent_id === first.agent_id)) return { ...of, agent_id: first.agent_id };
  const open = [
    { ...among, ...of },
    { ...of, agent_type: first.agent_type },
  ].find(aim => agents.every(agent => isMeant(agent, aim) === having.includes(agent)));
  if (open !== undefined) return open;
  const chain = having.toSorted((a, b) => room(b) - room(a)).map(({ agent_id }) => agent_id);
  return { ...of, fallback: [...new Set(chain)].slice(0, MOST_IN_CHAIN) };
}

/** How many more tasks it takes now. */
const room = ({ available = false, running = 0, max_concurrent = 0 }: Named): number =>
  available ? max_concurrent - running : -1;

const advertised = ({ model, models = [], loaded_models = [] }: Named): string[] => [
  ...(model === undefined ? [] : [model]),
  ...models,
  ...loaded_models,
];

const SHOWN = 8;

function unknown(name: string, agents: readonly Named[]): string {
  const names = modelNames(agents);
  const some = names.slice(0, SHOWN).map(({ id }) => id);
  const more = names.length > SHOWN ? ', …; GET /v1/models lists all' : '';
  const asked = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return `The model "${asked}" does not exist here; there are ${some.join(', ')}${more}.`;
}
