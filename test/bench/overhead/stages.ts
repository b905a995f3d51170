/**
 * Where the time of a warm prompt goes, seen from outside: every message on the server passes a second connection,
 * and what each one is tells how far the task has come. Its clock is the submitter's.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { z } from 'zod';
import { median } from '../../../coordinator/baseline/statistics.ts';
import { DEFAULT_PREFIX, names, taskKey } from '../../../protocol/subjects.ts';
import type { BenchmarkIo } from '../benchmark.ts';
import { NODE } from '../fleet.ts';
import { figures } from '../table.ts';
import { type BenchFleet, WARM } from './fleet.ts';
import { type OurRun, runOurs } from './ours.ts';

interface Seen {
  readonly at: number;
  readonly subject: string;
  readonly reply: string | undefined;
  readonly data: Uint8Array;
}

export interface Stage {
  readonly stage: string;
  /** Since the text was in hand. */
  readonly at_ms: number;
  /** Since the stage before it. */
  readonly took_ms: number;
}

interface StagesOptions extends BenchmarkIo {
  readonly runs: number;
  readonly pause_ms: number;
}

export async function measureStages(fleet: BenchFleet, options: StagesOptions): Promise<Stage[]> {
  const { signal, say, runs, pause_ms } = options;
  say(`stages: ${runs} prompts`);
  const watcher = await connect({ servers: fleet.nats_url, noAsyncTraces: true });
  try {
    let seen: Seen[] = [];
    watcher.subscribe('>', {
      callback: (error, { subject, reply, data }) => {
        if (error === null) seen.push({ at: performance.now(), subject, reply, data });
      },
    });
    await watcher.flush();
    const all: Marks[] = [];
    while (all.length < runs) {
      await delay(pause_ms, undefined, { signal });
      seen = [];
      const run = await runOurs(fleet.client, WARM, signal);
      await watcher.flush();
      all.push(marksOf(run, seen));
    }
    return summarize(all);
  } finally {
    await watcher.close();
  }
}

type Marks = ReadonlyMap<string, number>;

const on = names(DEFAULT_PREFIX);
const record = (task_id: string, name: 'request' | 'state' | 'result'): string =>
  `$KV.${on.tasksBucket}.${taskKey(task_id, name)}`;

const BodySchema = z.object({
  task_id: z.string(),
  status: z.string().optional(),
  kind: z.string().optional(),
});

function marksOf(run: OurRun, seen: readonly Seen[]): Marks {
  const { task_id } = run;
  const marks = new Map<string, number>([
    ['submit answered', run.submitted_ms],
    ['end told to the caller', run.end_ms],
  ]);
  const mark = (name: string, found: Seen | undefined): void => {
    if (found !== undefined) marks.set(name, found.at - run.began);
  };
  /** A request, and the answer to it. */
  const exchange = (
    asked: string,
    answered: string,
    subject: string,
    is: (body: Body) => boolean = () => true,
  ): void => {
    const request = seen.find(one => one.subject === subject && is(bodyOf(one)));
    mark(asked, request);
    if (request?.reply !== undefined)
      mark(
        answered,
        seen.find(one => one.subject === request.reply),
      );
  };
  const ours = (body: Body): boolean => body?.task_id === task_id;
  mark(
    'submit sent',
    seen.find(one => one.subject === `${on.prefix}.task.submit`),
  );
  exchange('request written', 'request durable', record(task_id, 'request'));
  for (const status of ['assigned', 'running', 'completed'])
    exchange(
      `${status} written`,
      `${status} durable`,
      record(task_id, 'state'),
      body => body?.status === status,
    );
  exchange('node asked to run', 'node accepted', on.node(NODE, 'run'), ours);
  mark(
    'first chunk',
    seen.find(one => one.subject === on.output(NODE, task_id, 1)),
  );
  for (const kind of ['started', 'finished'])
    exchange(
      `${kind} reported`,
      `${kind} durable`,
      on.report(NODE),
      body => ours(body) && body?.kind === kind,
    );
  exchange('result written', 'result durable', record(task_id, 'result'));
  return marks;
}

type Body = z.infer<typeof BodySchema> | undefined;

function bodyOf({ data }: Seen): Body {
  try {
    return BodySchema.safeParse(JSON.parse(new TextDecoder().decode(data))).data;
  } catch {
    // Not every message on the server is JSON.
    return undefined;
  }
}

/** Medians, in the order in which they usually come. */
function summarize(all: readonly Marks[]): Stage[] {
  const stages = [...new Set(all.flatMap(marks => [...marks.keys()]))]
    .map(stage => ({ stage, at_ms: median(all.flatMap(marks => marks.get(stage) ?? [])) }))
    .sort((a, b) => a.at_ms - b.at_ms);
  return stages.map((stage, index) => ({ ...stage, took_ms: stage.at_ms - (stages[index - 1]?.at_ms ?? 0) }));
}

export const renderStages = (stages: readonly Stage[]): string =>
  figures(
    ['stage of a warm prompt (ms, medians)', 'at', 'after'],
    stages.map(({ stage, at_ms, took_ms }) => [stage, at_ms.toFixed(2), took_ms.toFixed(2)]),
  );
