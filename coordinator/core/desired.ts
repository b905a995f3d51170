/** What the registry makes of the agents that nodes advertise: at once, before any node has taken it up. */
import type { AgentStatus } from '../../protocol/agent.ts';
import { ERRORS, type ErrorBody, type ErrorCode } from '../../protocol/errors.ts';
import { DEFAULT_TIMEOUT_MS, MAX_PROMPT_BYTES } from '../../protocol/limits.ts';
import type { AgentRegistration, AgentSettings, SshFallback } from '../../protocol/registration.ts';
import { agentKey } from '../../protocol/subjects.ts';
import type { Candidate } from './placement.ts';

/** The registry as one coordinator knows it; maps are by `agentKey`. */
export interface Desired {
  /** Of the last change; 0 when there never was one. */
  readonly revision: number;
  readonly records: ReadonlyMap<string, AgentRegistration>;
  /** Records that this version cannot read, and why. */
  readonly unreadable: ReadonlyMap<string, ErrorBody>;
}

/** Of a node's advert, what says why an agent is not in it. */
export interface NodeStanding {
  readonly node: string;
  readonly instance_id: string;
  readonly alive: boolean;
  readonly contested: boolean;
  readonly draining: boolean;
  readonly full: boolean;
  readonly config_revision: number;
  readonly ollama_endpoints: readonly string[];
  /** How it is reached; absent for NATS. */
  readonly transport?: 'ssh';
  /** A line to it is there. */
  readonly lined?: true;
}

export interface Overlay {
  readonly desired: Desired;
  /** Whether an agent that is in no registration may take work. */
  readonly discovered: 'allow' | 'deny';
  /** Why a node did not apply the entry of an agent, by `agentKey`, as far as this coordinator has heard. */
  readonly refused: ReadonlyMap<string, ErrorBody>;
  /** By node, whether tasks may go there over SSH; of what no registration says otherwise. */
  readonly ssh_fallback?: ReadonlyMap<string, SshFallback>;
}

const why = (code: ErrorCode, message: string): ErrorBody => ({
  code,
  message,
  retryable: ERRORS[code].retryable,
});

/** The advertised agents under the settings of their registrations, and the registered ones that no advert names. */
export function withDesired(
  advertised: readonly Candidate[],
  nodes: readonly NodeStanding[],
  overlay: Overlay,
): Candidate[] {
  const { desired, refused } = overlay;
  const named = new Set<string>();
  const standings = new Map(nodes.map(standing => [standing.node, standing]));
  const shown = advertised.map(candidate => {
    const key = agentKey(candidate.node, candidate.status.agent_id);
    named.add(key);
    const policy = policyOf(candidate.node, desired.records.get(key), overlay);
    return over(registeredAs(candidate, key, overlay), wayTo(policy, standings.get(candidate.node)));
  });
  for (const [key, record] of desired.records) {
    if (named.has(key)) continue;
    const standing = standings.get(record.node);
    const way = wayTo(policyOf(record.node, record, overlay), standing);
    shown.push(over(absent(record, standing, desired.revision, refused.get(key)), way));
  }
  return shown;
}

const policyOf = (
  node: string,
  record: AgentSettings | undefined,
  { ssh_fallback }: Overlay,
): SshFallback | undefined => record?.ssh_fallback ?? ssh_fallback?.get(node);

type Way = Pick<Candidate, 'transport' | 'ssh_fallback'>;

/** Of ten thousand agents, hardly any has anything to do with SSH. */
const over = (candidate: Candidate, way: Way | undefined): Candidate =>
  way === undefined ? candidate : { ...candidate, ...way };

/** Who takes tasks over SSH only is reached so while a line is there, whatever NATS says of the node. */
function wayTo(policy: SshFallback | undefined, standing: NodeStanding | undefined): Way | undefined {
  const over_ssh = policy === 'only' ? standing?.lined === true : standing?.transport === 'ssh';
  if (policy === undefined && !over_ssh) return undefined;
  return {
    ...(over_ssh && { transport: 'ssh' }),
    ...(policy !== undefined && { ssh_fallback: policy }),
  };
}

function registeredAs(candidate: Candidate, key: string, overlay: Overlay): Candidate {
  const { desired, discovered, refused } = overlay;
  const unreadable = desired.unreadable.get(key);
  if (unreadable !== undefined) {
    // It may say that the agent is disabled: nobody can know.
    const status = { ...candidate.status, health: 'unavailable' as const, problem: unreadable };
    return { ...candidate, status, registration: 'registered', allowed: true };
  }
  const record = desired.records.get(key);
  if (record === undefined)
    return { ...candidate, registration: 'discovered', allowed: discovered === 'allow' };
  const status = pinned(narrowed(candidate.status, record), candidate.status, record, refused.get(key));
  const problem = refused.get(key);
  return {
    ...candidate,
    status: { ...status, ...(problem !== undefined && status.problem === undefined && { problem }) },
    registration: 'registered',
    allowed: true,
  };
}

/** What is wanted in addition counts once the node shows it: until then it would refuse. */
const narrowed = (status: AgentStatus, wanted: AgentSettings): AgentStatus => ({
  ...status,
  enabled: status.enabled && wanted.enabled !== false,
  max_concurrent: Math.min(status.max_concurrent, wanted.max_concurrent ?? status.max_concurrent),
  priority: wanted.priority ?? status.priority,
  specialty: wanted.specialty ?? status.specialty,
  labels: wanted.labels ?? status.labels,
  ...(wanted.expected_version !== undefined && { expected_version: wanted.expected_version }),
});

/** A node that has not heard of a pin yet would let any version work. One that refused it never will. */
function pinned(
  status: AgentStatus,
  advertised: AgentStatus,
  { expected_version }: AgentSettings,
  refused: ErrorBody | undefined,
): AgentStatus {
  const echoed = expected_version === undefined || advertised.expected_version === expected_version;
  if (echoed || status.health === 'unavailable') return status;
  if (refused !== undefined) return { ...status, health: 'unavailable', problem: refused };
  const message = `That ${status.agent_id} is pinned to ${expected_version} has not reached its node yet.`;
  return { ...status, health: 'starting', problem: why('agent_starting', message) };
}

function absent(
  record: AgentRegistration,
  standing: NodeStanding | undefined,
  revision: number,
  refused: ErrorBody | undefined,
): Candidate {
  const { node, agent_id, agent_type, ollama } = record;
  const { health, problem } = whyAbsent(record, standing, revision, refused);
  return {
    node,
    instance_id: standing?.instance_id ?? 'none',
    alive: standing?.alive ?? false,
    contested: standing?.contested ?? false,
    draining: standing?.draining ?? false,
    full: standing?.full ?? false,
    registration: 'registered',
    allowed: true,
    used: 0,
    absent: true,
    status: {
      agent_id,
      agent_type,
      // What a node's file has when it does not say otherwise.
      driver: agent_type === 'ollama' ? 'ollama' : agent_type === 'cli_gemini' ? 'acp' : 'headless',
      specialty: record.specialty ?? ['general_ai'],
      ...(ollama !== undefined && {
        model: ollama.model,
        models: [ollama.model],
        endpoint: ollama.endpoint,
      }),
      labels: record.labels ?? {},
      priority: record.priority ?? 0,
      max_concurrent: record.max_concurrent ?? 0,
      running: 0,
      enabled: record.enabled ?? true,
      health,
      problem,
      signed_in: 'unknown',
      warm: false,
      tool_policy: 'deny',
      timeout_ms: DEFAULT_TIMEOUT_MS,
      max_prompt_bytes: MAX_PROMPT_BYTES,
      ...(record.expected_version !== undefined && { expected_version: record.expected_version }),
    },
  };
}

type Absence = Pick<AgentStatus, 'health'> & { readonly problem: ErrorBody };

function whyAbsent(
  { node, agent_id, ollama }: AgentRegistration,
  standing: NodeStanding | undefined,
  revision: number,
  refused: ErrorBody | undefined,
): Absence {
  const unavailable = (problem: ErrorBody): Absence => ({ health: 'unavailable', problem });
  if (standing?.alive !== true) {
    const since = standing === undefined ? 'has not been heard of' : 'is silent';
    return unavailable(why('node_lost', `Node ${node}, on which ${agent_id} is registered, ${since}.`));
  }
  if (refused !== undefined) return unavailable(refused);
  if (ollama === undefined) {
    return unavailable(
      why(
        'agent_unknown',
        `The file of node ${node} does not name ${agent_id} any more; put it back there, or take it out of the registry.`,
      ),
    );
  }
  if (!standing.ollama_endpoints.includes(ollama.endpoint))
    return unavailable(notPermitted(node, ollama.endpoint));
  if (standing.config_revision !== revision) {
    return {
      health: 'starting',
      problem: why('agent_starting', `Node ${node} has not taken up the registration of ${agent_id} yet.`),
    };
  }
  return unavailable(
    why(
      'not_permitted',
      `Node ${node} did not take up the registration of ${agent_id}; the log of the leading coordinator says why.`,
    ),
  );
}

export const notPermitted = (node: string, endpoint: string): ErrorBody =>
  why(
    'not_permitted',
    `The file of node ${node} does not permit agents on ${endpoint}; add it to permit.ollama.endpoints there.`,
  );
