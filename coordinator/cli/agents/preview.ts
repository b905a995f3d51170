/** What an import would do, as far as it can be told without doing it. */
import { CcliError } from '../../../protocol/errors.ts';
import type { AgentView, NodeView } from '../../../protocol/operation.ts';
import { type About, type Asked, askedOf, type RegisterRequest, type Wanted } from './wanted.ts';

export interface FleetNow {
  /** Whether agents may be registered at all. */
  readonly open: boolean;
  readonly agents: readonly AgentView[];
  readonly nodes: readonly NodeView[];
}

export type Preview = About &
  Asked & {
    readonly outcome: 'would_register' | 'would_update' | 'would_fail';
    readonly error?: CcliError;
  };

/** @param fleet undefined when it could not be asked: then only the file itself is judged. */
export const preview = (wanted: readonly Wanted[], fleet: FleetNow | undefined): Preview[] =>
  wanted.map(({ request, ...about }) => {
    if (request instanceof CcliError) return { ...about, outcome: 'would_fail', error: request };
    const shown = { ...about, ...askedOf(request) };
    if (fleet === undefined) return { ...shown, outcome: 'would_register' };
    const node = fleet.open ? nodeFor(request, fleet) : new CcliError('registration_off');
    if (node instanceof CcliError) return { ...shown, outcome: 'would_fail', error: node };
    const outcome = isRegistered(request, node, fleet) ? 'would_update' : 'would_register';
    return { ...shown, ...(node !== undefined && { node }), outcome };
  });

const isRegistered = (
  { agent_id }: RegisterRequest,
  node: string | undefined,
  { agents }: FleetNow,
): boolean =>
  agents.some(
    agent => agent.agent_id === agent_id && agent.node === node && agent.registration === 'registered',
  );

/** The node that the coordinator would choose, or why there is none. */
function nodeFor(request: RegisterRequest, fleet: FleetNow): string | undefined | CcliError {
  const { agent_id, node, ollama } = request;
  if (ollama === undefined) return node;
  const { endpoint } = ollama;
  const named = fleet.nodes.find(({ node: name }) => name === node);
  if (node !== undefined && named === undefined)
    return new CcliError(
      'node_unknown',
      `No node is called "${node}"; \`ccli nodes\` shows those there are.`,
    );
  if (named?.alive === false)
    return new CcliError(
      'node_lost',
      `Node ${named.node} is silent; \`ccli nodes\` shows whether it is back.`,
    );
  const permitting = (named === undefined ? fleet.nodes : [named])
    .filter(({ alive, ollama_endpoints }) => alive && ollama_endpoints.includes(endpoint))
    .map(({ node: name }) => name);
  const before = permitting.filter(name => isRegistered(request, name, fleet));
  const [only, ...others] = before.length > 0 ? before : permitting;
  if (only === undefined) return notPermitted(endpoint, node);
  if (others.length === 0) return only;
  return new CcliError(
    'invalid_request',
    `Several nodes come into question for ${agent_id}: ${[only, ...others].sort().join(', ')}. Say which with --node, or with \`node\` in the file.`,
  );
}

function notPermitted(endpoint: string, node: string | undefined): CcliError {
  const who = node === undefined ? 'No node that is there permits' : `Node ${node} does not permit`;
  return new CcliError(
    'not_permitted',
    `${who} ${endpoint}; add it to \`permit.ollama.endpoints\` in the node's file.`,
  );
}
