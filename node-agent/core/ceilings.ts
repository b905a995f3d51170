/** What a registration may make of a node's agents: anything within what the node's file allows, and nothing beyond. */
import type { AgentStatus } from '../../protocol/agent.ts';
import { CcliError } from '../../protocol/errors.ts';
import { MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';
import type { AgentDefinition, AgentSettings } from '../../protocol/registration.ts';
import { type Pins, shownPin } from './version.ts';

/** How an agent is offered: its file's values, or what a registration has made of them. */
export type Terms = Pick<AgentStatus, 'enabled' | 'max_concurrent' | 'priority' | 'specialty' | 'labels'> & {
  readonly pins: Pins;
};

/** The file's own values; its `max_concurrent` is the ceiling. */
export type Ceilings = Omit<Terms, 'enabled' | 'pins'> & {
  readonly expected_version?: string | undefined;
};

export function termsWithin(file: Ceilings, wanted: AgentSettings): Terms {
  return {
    enabled: wanted.enabled ?? true,
    max_concurrent: Math.min(wanted.max_concurrent ?? file.max_concurrent, file.max_concurrent),
    priority: wanted.priority ?? file.priority,
    specialty: wanted.specialty ?? file.specialty,
    labels: wanted.labels ?? file.labels,
    // A version that the file rules out stays ruled out.
    pins: { file: file.expected_version, registry: wanted.expected_version },
  };
}

/** What the node's file says about agents that it does not name itself. */
export interface Permission {
  /** Agents that the file names. */
  readonly named: ReadonlySet<string>;
  /** Ollama servers on which others may be defined, and the most slots that one of those may have. */
  readonly endpoints: readonly string[];
  readonly max_concurrent: number;
}

/** A list that people read. */
const MAX_LABELS = 32;

/** What all agents of a node may have of a message; the rest is for the host, and for what runs. */
export const MAX_STATUS_BYTES = (MAX_MESSAGE_BYTES * 3) / 4;

/** Of one agent in an advert: names of fields, figures, how it did lately. */
const STATUS_BYTES = 1_024;

/** What an agent takes of an advert, on these terms. */
export function statusBytes(
  { labels, specialty, pins }: Omit<Terms, 'enabled'>,
  shown: readonly string[],
): number {
  return (
    STATUS_BYTES + Buffer.byteLength(JSON.stringify([labels, specialty, shownPin(pins, undefined), shown]))
  );
}

/** Why an entry of the desired state is not applied; the message names the setting that would allow it. */
export function objection(
  agent_id: string,
  { ollama, max_concurrent = 0, labels = {} }: AgentDefinition,
  { named, endpoints, max_concurrent: most }: Permission,
): CcliError | undefined {
  const refused = (message: string): CcliError => new CcliError('not_permitted', message);
  if (Object.keys(labels).length > MAX_LABELS)
    return refused(`Agent "${agent_id}" would have more than ${MAX_LABELS} labels; give it fewer.`);
  if (ollama === undefined) {
    if (named.has(agent_id)) return undefined;
    return new CcliError(
      'agent_unknown',
      `The file of this node names no agent "${agent_id}"; add it to \`agents\` there, or register it with an Ollama endpoint and model.`,
    );
  }
  if (named.has(agent_id)) {
    return refused(
      `The file of this node defines agent "${agent_id}" itself; choose another id, or take it out of \`agents\` there.`,
    );
  }
  if (!endpoints.includes(ollama.endpoint)) {
    return refused(
      `The file of this node does not permit agents on ${ollama.endpoint}; add it to permit.ollama.endpoints there.`,
    );
  }
  if (max_concurrent > most) {
    return refused(
      `The file of this node permits ${most} slots for such an agent, and ${max_concurrent} were asked for; ask for fewer, or raise permit.ollama.max_concurrent there.`,
    );
  }
  return undefined;
}
