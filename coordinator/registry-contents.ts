/** What the bucket of agents holds, as far as this version can read it. */
import type { KvEntry } from '@nats-io/kv';
import type { z } from 'zod';
import { decode } from '../protocol/codec.ts';
import type { Log } from '../protocol/daemon/log.ts';
import { CcliError, type ErrorBody, toErrorBody } from '../protocol/errors.ts';
import {
  type AgentRegistration,
  AgentRegistrationSchema,
  RegistrationPolicySchema,
} from '../protocol/registration.ts';
import { agentKey, parseAgentKey, REGISTRATION_KEY } from '../protocol/subjects.ts';
import type { Desired } from './core/desired.ts';

export interface Held<T> {
  readonly revision: number;
  readonly value?: T;
  /** Why it cannot be read. */
  readonly problem?: ErrorBody;
}

export interface Contents {
  /** Of the stream: tells a store from another one in its place. */
  readonly created: string;
  readonly revision: number;
  readonly agents: ReadonlyMap<string, Held<AgentRegistration>>;
  readonly policy: Held<{ readonly open: boolean }> | undefined;
}

export const NOTHING: Contents = { created: '', revision: 0, agents: new Map(), policy: undefined };

export function contentsOf(
  entries: readonly KvEntry[],
  created: string,
  revision: number,
  log: Log,
): Contents {
  const agents = new Map<string, Held<AgentRegistration>>();
  let policy: Contents['policy'];
  for (const entry of entries) {
    if (entry.operation !== 'PUT') continue;
    if (entry.key === REGISTRATION_KEY) policy = understand(RegistrationPolicySchema, entry);
    else if (parseAgentKey(entry.key) === undefined) log.warn('registry_key_unknown', { key: entry.key });
    else agents.set(entry.key, registrationOf(entry));
  }
  return { created, revision, agents, policy };
}

function registrationOf(entry: KvEntry): Held<AgentRegistration> {
  const held = understand(AgentRegistrationSchema, entry);
  if (held.value === undefined || agentKey(held.value.node, held.value.agent_id) === entry.key) return held;
  const error = new CcliError('invalid_request', 'It names another agent than its key does.');
  return { revision: entry.revision, problem: toErrorBody(error) };
}

function understand<T>(schema: z.ZodType<T>, { value, revision, key }: KvEntry): Held<T> {
  try {
    return { revision, value: decode(schema, value) };
  } catch (error) {
    const { code, message, retryable } = toErrorBody(error);
    return { revision, problem: { code, retryable, message: `The registration "${key}": ${message}` } };
  }
}

export function desiredOf({ revision, agents }: Contents): Desired {
  const records = new Map<string, AgentRegistration>();
  const unreadable = new Map<string, ErrorBody>();
  for (const [key, { value, problem }] of agents) {
    if (value !== undefined) records.set(key, value);
    if (problem !== undefined) unreadable.set(key, problem);
  }
  return { revision, records, unreadable };
}

/** @throws CcliError `unsupported_version` */
export function refuseNewer(key: string, problem: ErrorBody | undefined): void {
  if (problem?.code !== 'unsupported_version') return;
  throw new CcliError(
    'unsupported_version',
    `A newer ccli wrote "${key}" into the registry, and this one does not write over it. Upgrade ccli here.`,
  );
}

/** @throws CcliError `unsupported_version`, `store_damaged` */
export function refuseUnreadable(key: string, problem: ErrorBody | undefined): void {
  refuseNewer(key, problem);
  if (problem === undefined) return;
  throw new CcliError(
    'store_damaged',
    `The registration "${key}" is not what ccli wrote: ${problem.message} Remove that registration, then register the agent again.`,
  );
}
