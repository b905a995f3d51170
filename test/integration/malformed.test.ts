/** What comes over the wire and cannot be read: it is counted where a person can see it, and leaves nothing behind. */
import { readdir, readFile } from 'node:fs/promises';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { Svcm } from '@nats-io/services';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { AdvertSchema } from '../../protocol/advert.ts';
import { decode } from '../../protocol/codec.ts';
import {
  CancelAttemptRequestSchema,
  ConfigureRequestSchema,
  DrainRequestSchema,
  ProbeRequestSchema,
  RunRequestSchema,
  SliceRequestSchema,
  StatusRequestSchema,
  VerifyRequestSchema,
} from '../../protocol/control.ts';
import { EndpointDataSchema } from '../../protocol/daemon/service.ts';
import { CcliError } from '../../protocol/errors.ts';
import { OPERATIONS } from '../../protocol/operation.ts';
import { ReportSchema } from '../../protocol/report.ts';
import { advertOf } from '../support/advert.ts';
import { callOperation } from '../support/fleet.ts';
import { malformed, type Sample, SampleSchema } from '../support/malformed.ts';
import { monitoredNats } from '../support/monitored-nats.ts';
import { type Random, seeded } from '../support/random.ts';
import { type Stage, stage } from '../support/stage.ts';
import { waitFor } from '../support/wait.ts';

const SEED = 3;
const MESSAGES = 10_000;
const WARM_UP = 1_000;
const AT_ONCE = 64;
const MIB = 1024 * 1024;

/** A subject that a daemon listens to, and a message that it would take there. */
interface Door {
  readonly subject: string;
  readonly sample: Sample;
  readonly isMalformed: (bytes: Uint8Array) => boolean;
  /** `endpoint`: each message is answered. `stream`: the stream acknowledges it. `plain`: nobody says anything. */
  readonly kind: 'endpoint' | 'stream' | 'plain';
}

const refusedBy =
  (schema: z.ZodType) =>
  (bytes: Uint8Array): boolean => {
    try {
      decode(schema, bytes);
      return false;
    } catch {
      return true;
    }
  };

/** What no version of the wire will ever read; a newer message is kept for a coordinator that knows it. */
const unreadableBy =
  (schema: z.ZodType) =>
  (bytes: Uint8Array): boolean => {
    try {
      decode(schema, bytes);
      return false;
    } catch (error) {
      return !(error instanceof CcliError && error.code === 'unsupported_version');
    }
  };

/** The debug door takes any text. */
function isNoQuestion(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.trim() === '' || text.includes('\0');
  } catch {
    return true;
  }
}

const definition: Sample = {
  enabled: false,
  max_concurrent: 1,
  specialty: ['general_ai'],
  ollama: { endpoint: 'http://127.0.0.1:11434', model: 'llama3', options: { num_ctx: 4_096 } },
};
const addressed = { v: 1, instance_id: 'i', fleet_id: 'f', epoch: 1 };
const attempt = { task_id: 't', attempt: 1 };
const ref = { slices: 1, size_bytes: 3, sha256: 'a'.repeat(64) };

const NODE_DOORS: Readonly<Record<string, { schema: z.ZodType; sample: Sample }>> = {
  run: {
    schema: RunRequestSchema,
    sample: { ...addressed, ...attempt, agent_id: 'a', prompt: { inline: 'x' }, timeout_ms: 1_000 },
  },
  slice: { schema: SliceRequestSchema, sample: { ...addressed, ...attempt, index: 0, data: 'YWJj' } },
  cancel: { schema: CancelAttemptRequestSchema, sample: { ...addressed, ...attempt, reason: 'cancelled' } },
  status: { schema: StatusRequestSchema, sample: { v: 1 } },
  drain: { schema: DrainRequestSchema, sample: { v: 1, drain: true } },
  probe: {
    schema: ProbeRequestSchema,
    sample: { v: 1, agent_id: 'a', canary: false, definition: definition },
  },
  verify: { schema: VerifyRequestSchema, sample: { v: 1, agent_id: 'a', command: '/bin/other' } },
  configure: {
    schema: ConfigureRequestSchema,
    sample: { ...addressed, revision: 1, agents: { a: definition } },
  },
};

const submit: Sample = { task_id: 't', prompt: 'x', prompt_ref: ref, labels: { a: 'b' }, priority: 1, v: 1 };
const OPERATION_SAMPLES: Readonly<Record<keyof typeof OPERATIONS, Sample>> = {
  submit,
  run: { ...submit, wait_ms: 1 },
  get: { task_id: 't', wait_ms: 1, v: 1 },
  cancel: { task_id: 't', v: 1 },
  retry: { task_id: 't', new_task_id: 'u', v: 1 },
  test: { agent_id: 'a', node: 'walnut', canary: false, v: 1 },
  list: { status: 'queued', limit: 1, cursor: '1', v: 1 },
  upload: { task_id: 't', index: 0, data: 'YWJj', v: 1 },
  download: { task_id: 't', index: 0, v: 1 },
  agents: { v: 1 },
  nodes: { v: 1 },
  drain: { node: 'walnut', drain: true, v: 1 },
  explain: { task_id: 't', attempt: 1, v: 1 },
  coordinate: { prompt: 'x', agents: ['a'], strategy: 'all', plan_only: true, v: 1 },
  register: { agent_id: 'a', node: 'walnut', canary: false, ...definition, v: 1 },
  update: { agent_id: 'a', node: 'walnut', enabled: true, priority: null, labels: { a: 'b' }, v: 1 },
  remove: { agent_id: 'a', node: 'walnut', v: 1 },
  verify: { agent_id: 'a', node: 'walnut', command: '/bin/other', v: 1 },
  registration: { open: true, v: 1 },
  status: { v: 1 },
};

const ADVERT: Sample = SampleSchema.parse(advertOf({ node: 'walnut', instance_id: 'forged' }));
const REPORT: Sample = {
  ...{ v: 1, node: 'walnut', instance_id: 'forged', kind: 'finished', outcome: 'completed', ...attempt },
  ...{ text: { inline: 'x' }, completeness: 'whole', run_ms: 1, warm: false },
};

const ADVERTS: Door = {
  subject: 'ccli.node.walnut.advert',
  sample: ADVERT,
  isMalformed: refusedBy(AdvertSchema),
  kind: 'plain',
};
const REPORTS: Door = {
  subject: 'ccli.node.walnut.report',
  sample: REPORT,
  isMalformed: unreadableBy(ReportSchema),
  kind: 'stream',
};
const OUTPUT: Door = {
  subject: 'ccli.node.walnut.output.t.1',
  sample: { v: 1, ...attempt, n: 0, text: 'x' },
  isMalformed: () => true,
  kind: 'plain',
};
const DOORS: readonly [Door, ...Door[]] = [
  ADVERTS,
  REPORTS,
  OUTPUT,
  { subject: 'ccli.node.walnut.ask', sample: { text: '2+2?' }, isMalformed: isNoQuestion, kind: 'endpoint' },
  ...Object.entries(NODE_DOORS).map(
    ([verb, { schema, sample }]): Door => ({
      subject: `ccli.node.walnut.${verb}`,
      sample,
      isMalformed: refusedBy(schema),
      kind: 'endpoint',
    }),
  ),
  ...Object.entries(OPERATIONS).map(
    ([name, { subject, request }]): Door => ({
      subject: `ccli.${subject}`,
      sample: OPERATION_SAMPLES[name as keyof typeof OPERATIONS],
      isMalformed: refusedBy(request),
      kind: 'endpoint',
    }),
  ),
];

/** Where a reply would do harm, or be somebody else's. */
const FOREIGN_REPLIES = [
  'stolen.reply',
  'ccli.task.submit',
  'ccli.node.walnut.advert',
  '$JS.API.STREAM.DELETE.CCLI_REPORTS',
  '$KV.ccli_tasks.forged.request',
] as const;

function oddHeaders(random: Random): MsgHdrs | undefined {
  if (random.chance(0.7)) return undefined;
  const made = headers();
  for (let count = random.between(1, 20); count > 0; count -= 1) {
    const name = random.pick([
      'Nats-Service-Error',
      'Nats-Service-Error-Code',
      'Status',
      'X-Odd',
      'Content-Type',
    ]);
    made.append(name, random.pick(['', '503', 'x'.repeat(500), 'ä€', '100 Idle Heartbeat']));
  }
  return made;
}

/** @returns what is wrong with how the fleet took it, if anything. */
async function send(connection: NatsConnection, door: Door, random: Random): Promise<string | undefined> {
  const bytes = malformed(random, door.sample, door.isMalformed);
  // The largest leave no room for headers.
  const odd = bytes.byteLength > MIB / 2 ? undefined : oddHeaders(random);
  const options = odd === undefined ? {} : { headers: odd };
  if (door.kind === 'plain') {
    connection.publish(door.subject, bytes, options);
    return undefined;
  }
  if (door.kind === 'endpoint' && random.chance(0.1)) {
    // Without a reply subject, or with one that nobody may be answered at.
    const reply = random.chance(0.5) ? {} : { reply: random.pick(FOREIGN_REPLIES) };
    connection.publish(door.subject, bytes, { ...options, ...reply });
    return undefined;
  }
  const answer = await connection.request(door.subject, bytes, { ...options, timeout: 20_000 });
  const told = answer.headers?.get('Nats-Service-Error') ?? '';
  if (door.kind === 'stream' || told !== '') return undefined;
  return `${door.subject} answered ${answer.string().slice(0, 200)} to ${Buffer.from(bytes).toString('latin1').slice(0, 200)}`;
}

/** @returns how many went where, and what is wrong */
async function sendMany(connection: NatsConnection, random: Random, count: number) {
  const sent = new Map<string, number>();
  const faults: string[] = [];
  let left = count;
  const sender = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const door = random.pick(DOORS);
      sent.set(door.subject, (sent.get(door.subject) ?? 0) + 1);
      const fault = await send(connection, door, random).catch(
        (error: unknown) => `${door.subject}: ${String(error)}`,
      );
      if (fault !== undefined) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  return { sent, faults };
}

/** By subject: what `nats req '$SRV.STATS'` and `ccli status` say was refused. */
async function counted({ connection, manager }: Stage): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const service of ['ccli-node', 'ccli-coordinator']) {
    for await (const { endpoints } of await new Svcm(connection).client().stats(service)) {
      for (const { subject, data } of endpoints ?? [])
        found.set(subject, EndpointDataSchema.parse(data).refused);
    }
  }
  const { adverts, reports } = (await callOperation(connection, 'status', {})).malformed;
  found.set(ADVERTS.subject, adverts);
  found.set(REPORTS.subject, reports);
  // No daemon reads chunks: they are in their stream, for whoever looks.
  found.set(OUTPUT.subject, (await manager.streams.info('CCLI_OUTPUT')).state.last_seq);
  return found;
}

interface Footprint {
  readonly files: number;
  readonly subscriptions: number;
  readonly resident_bytes: number;
}

async function footprint(pid: number, subscriptions: number): Promise<Footprint> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const resident_kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return {
    files: (await readdir(`/proc/${pid}/fd`)).length,
    subscriptions,
    resident_bytes: resident_kib * 1024,
  };
}

test(`${MESSAGES} malformed messages (seed ${SEED}) over every subject are each refused and counted, and leave nothing behind`, async ({
  skip,
}) => {
  if (process.platform !== 'linux') skip('needs proc-file-system: what a daemon holds open is read there');
  const nats = await monitoredNats();
  const fleet = await stage(nats);
  const { connection } = fleet;
  const coordinator = await fleet.coordinator();
  const node = await fleet.node();
  const stolen: string[] = [];
  connection.subscribe('stolen.>', {
    callback: (_error, message) => {
      stolen.push(message.string());
    },
  });
  const work = async (round: string): Promise<void> => {
    for (const task_id of ['a', 'b', 'c'].map(name => `${round}-${name}`)) {
      await fleet.submit({ task_id, prompt: task_id });
      expect((await fleet.ended(task_id)).status).toBe('completed');
    }
  };
  const look = async () => ({
    coordinator: await footprint(coordinator.daemon.pid, await nats.subscriptions('ccli-coordinator')),
    node: await footprint(node.daemon.pid, await nats.subscriptions('ccli-node-agent')),
  });

  const random = seeded(SEED);
  await work('before');
  await sendMany(connection, random, WARM_UP);
  await fleet.reportsFolded();
  const [before, held] = [await counted(fleet), await look()];

  const { sent, faults } = await sendMany(connection, random, MESSAGES);
  expect(faults).toEqual([]);
  await work('after');

  const growth = async (): Promise<Map<string, number>> => {
    const after = await counted(fleet);
    return new Map(
      [...sent.keys()].map(subject => [subject, (after.get(subject) ?? 0) - (before.get(subject) ?? 0)]),
    );
  };
  await waitFor(async () => (await growth()).get(ADVERTS.subject) === sent.get(ADVERTS.subject)).catch(
    () => undefined,
  );
  // The tasks that ran have written chunks of their own.
  const counts = await growth();
  expect(counts.get(OUTPUT.subject)).toBeGreaterThanOrEqual(sent.get(OUTPUT.subject) ?? 0);
  counts.delete(OUTPUT.subject);
  sent.delete(OUTPUT.subject);
  expect(Object.fromEntries(counts)).toEqual(Object.fromEntries(sent));
  expect(stolen).toEqual([]);
  expect(await fleet.state('forged')).toBeUndefined();

  for (const { daemon } of [coordinator, node]) {
    // A refusal is no failure of ours, and nothing else may have happened.
    for (const event of ['unexpected_error', 'endpoint_failed', 'attempt_broke', 'nats_error'])
      expect(daemon.log()).not.toContain(`"event":"${event}"`);
    expect(daemon.log()).not.toMatch(/Unhandled|uncaught/i);
  }
  // Whatever is only let go of a little later is no leak.
  await waitFor(async () => {
    const now = await look();
    for (const who of ['coordinator', 'node'] as const) {
      expect(now[who].files, `files of the ${who}`).toBeLessThanOrEqual(held[who].files);
      expect(now[who].subscriptions, `subscriptions of the ${who}`).toBeLessThanOrEqual(
        held[who].subscriptions,
      );
      expect(now[who].resident_bytes, `memory of the ${who}`).toBeLessThan(
        held[who].resident_bytes + 150 * MIB,
      );
    }
    return true;
  });
}, 300_000);
