/**
 * Names of a coordination's tasks. A name tells all that has to be known to take the coordination up again: which of
 * how many it is and what it was asked as. So whoever repeats a request, on whichever coordinator, finds the plan that
 * was made the first time although nothing but its tasks is stored.
 */
import { createHash } from 'node:crypto';
import { SPECIALTIES } from '../../protocol/agent.ts';
import type { Specialty } from './relevance.ts';

export type Place =
  | { readonly role: 'answer'; readonly number: number; readonly of: number }
  | { readonly role: 'judge' };

export type PartName = Place & { readonly specialty: Specialty };

const digest = (coordination_id: string, agent_id: string): string =>
  createHash('sha256')
    .update(JSON.stringify([coordination_id, agent_id]))
    .digest('hex')
    .slice(0, 12);

/** At most 64 characters, as a task id must be: 32 of the coordination, and `-16of16-pytorch_dev-` with the digest. */
export function partId(coordination_id: string, part: PartName, agent_id: string): string {
  const place = part.role === 'judge' ? 'judge' : `${part.number}of${part.of}`;
  return `${coordination_id}-${place}-${part.specialty}-${digest(coordination_id, agent_id)}`;
}

const REST = /^(?:judge|(\d{1,2})of(\d{1,2}))-([a-z_]+)-[0-9a-f]{12}$/;

/** Undefined for a task that is in the group but was not put there by a coordination of this id and for this agent. */
export function readPartId(coordination_id: string, task_id: string, agent_id: string): PartName | undefined {
  if (!task_id.startsWith(`${coordination_id}-`)) return undefined;
  const [, number, of, name] = REST.exec(task_id.slice(coordination_id.length + 1)) ?? [];
  const specialty = SPECIALTIES.find(known => known === name);
  if (specialty === undefined) return undefined;
  const part: PartName =
    number === undefined
      ? { role: 'judge', specialty }
      : { role: 'answer', number: Number(number), of: Number(of), specialty };
  return partId(coordination_id, part, agent_id) === task_id ? part : undefined;
}
