/** A node played by the test: it advertises an agent and accepts what it is asked, and its reports are written by hand. */
import { jetstream } from '@nats-io/jetstream';
import { onTestFinished } from 'vitest';
import { decode } from '../../protocol/codec.ts';
import { type RunRequest, RunRequestSchema } from '../../protocol/control.ts';
import type { Report } from '../../protocol/report.ts';
import type { Text } from '../../protocol/text.ts';
import { advertOf } from './advert.ts';
import { agentStatus } from './agent-view.ts';
import type { Stage } from './stage.ts';
import { waitFor } from './wait.ts';

const NODE = 'byhand';
const ADVERT_INTERVAL_MS = 200;

const AGENT = agentStatus({
  agent_id: 'byhand-agent',
  agent_type: 'cli_generic',
  driver: 'headless',
  max_concurrent: 100,
  timeout_ms: 60_000,
});

type Said = Report extends infer R
  ? R extends Report
    ? Omit<R, 'v' | 'node' | 'instance_id'>
    : never
  : never;

export interface HandNode {
  /** Waits until it has been asked to run this task, and has accepted. */
  readonly asked: (task_id: string) => Promise<RunRequest>;
  /** Into the report stream, each as a message of its own, however often it says the same. */
  readonly report: (report: Said) => Promise<void>;
  /** Bytes as they are. */
  readonly publish: (bytes: string | Uint8Array) => Promise<void>;
}

export async function handNode({ connection }: Stage): Promise<HandNode> {
  const instance_id = 'by-hand';
  const requests = new Map<string, RunRequest>();
  const js = jetstream(connection);
  let seq = 0;

  const run = connection.subscribe(`ccli.node.${NODE}.run`, {
    callback: (error, message) => {
      if (error !== null) return;
      const request = decode(RunRequestSchema, message.data);
      requests.set(request.task_id, request);
      message.respond(JSON.stringify({ answer: 'accepted', phase: 'running', missing_slices: [] }));
    },
  });
  const cancel = connection.subscribe(`ccli.node.${NODE}.cancel`, {
    callback: (_error, message) => {
      message.respond(JSON.stringify({ answer: 'stopped' }));
    },
  });
  const advertise = (): void => {
    seq += 1;
    const running = [...requests.values()].map(({ task_id, attempt }) => ({
      task_id,
      attempt,
      agent_id: AGENT.agent_id,
      elapsed_ms: 1,
    }));
    const advert = advertOf({
      node: NODE,
      instance_id,
      seq,
      interval_ms: ADVERT_INTERVAL_MS,
      agents: [AGENT],
      running,
    });
    connection.publish(`ccli.node.${NODE}.advert`, JSON.stringify(advert));
  };
  const timer = setInterval(advertise, ADVERT_INTERVAL_MS);
  onTestFinished(() => {
    clearInterval(timer);
    run.unsubscribe();
    cancel.unsubscribe();
  });
  advertise();
  await connection.flush();

  const publish: HandNode['publish'] = async bytes => {
    await js.publish(`ccli.node.${NODE}.report`, bytes);
  };
  return {
    asked: task_id =>
      waitFor(() => requests.get(task_id), { what: `the node being asked to run ${task_id}` }),
    report: report => publish(JSON.stringify({ v: 1, node: NODE, instance_id, ...report })),
    publish,
  };
}

/** How an attempt ended well. */
export const completed = (task_id: string, attempt: number, text: string | Text): Said => ({
  kind: 'finished',
  task_id,
  attempt,
  outcome: 'completed',
  text: typeof text === 'string' ? { inline: text } : text,
  completeness: 'whole',
  run_ms: 1,
  warm: false,
});

export const failed = (task_id: string, attempt: number): Said => ({
  kind: 'finished',
  task_id,
  attempt,
  outcome: 'failed',
  error: { code: 'task_timeout', message: 'It took too long.', retryable: false },
  completeness: 'unknown',
  run_ms: 1,
  warm: false,
});
