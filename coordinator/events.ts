/** Tells of what has happened, for dashboards and audits. Best effort: nothing is decided by an event. */
import type { NatsConnection } from '@nats-io/nats-core';
import { encode, WIRE_VERSION } from '../protocol/codec.ts';
import { EventSchema, type FleetEvent } from '../protocol/event.ts';
import type { Names } from '../protocol/subjects.ts';
import type { TaskState } from '../protocol/task.ts';

type NodeChange = Extract<FleetEvent, { kind: 'node' }>['change'];
export type AgentChange = Extract<FleetEvent, { kind: 'agent' }>['change'];

type PlacementEvent = Extract<FleetEvent, { kind: 'placement' }>;

export interface Events {
  readonly task: (state: TaskState) => void;
  readonly node: (node: string, change: NodeChange, instance_id: string) => void;
  /** Why an attempt went where it went. */
  readonly placement: (
    task_id: string,
    attempt: number,
    placed: Pick<PlacementEvent, 'considered' | 'left_out'>,
  ) => void;
  readonly agent: (node: string, agent_id: string, change: AgentChange) => void;
}

interface EventsOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly now: () => number;
}

export function createEvents({ connection, names, now }: EventsOptions): Events {
  const publish = (subject: string, event: FleetEvent): void => {
    if (!connection.isClosed()) connection.publish(subject, encode(EventSchema, event));
  };
  return {
    task({ task_id, status, attempts, error }) {
      const attempt = attempts.at(-1);
      publish(names.taskEvent(task_id), {
        v: WIRE_VERSION,
        kind: 'task',
        task_id,
        status,
        ...(attempt !== undefined && {
          attempt: attempt.attempt,
          node: attempt.node,
          agent_id: attempt.agent_id,
        }),
        ...(error !== undefined && { error_code: error.code }),
        at_ms: now(),
      });
    },
    placement(task_id, attempt, { considered, left_out }) {
      const placed = { considered, left_out, at_ms: now() };
      publish(names.placementEvent(task_id, attempt), {
        v: WIRE_VERSION,
        kind: 'placement',
        task_id,
        attempt,
        ...placed,
      });
    },
    agent(node, agent_id, change) {
      const at_ms = now();
      publish(names.agentEvent(node, agent_id), {
        v: WIRE_VERSION,
        kind: 'agent',
        node,
        agent_id,
        change,
        at_ms,
      });
    },
    node(node, change, instance_id) {
      publish(names.nodeEvent(node), {
        v: WIRE_VERSION,
        kind: 'node',
        node,
        change,
        instance_id,
        at_ms: now(),
      });
    },
  };
}
