import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { LeaseSchema } from '../../coordinator/lease.ts';
import { AdvertSchema } from '../../protocol/advert.ts';
import { ConfigureRequestSchema, RunReplySchema, RunRequestSchema } from '../../protocol/control.ts';
import { ConversationSchema } from '../../protocol/conversation.ts';
import { CoordinateReplySchema } from '../../protocol/coordination.ts';
import { ERRORS, EXIT_MEANINGS } from '../../protocol/errors.ts';
import { EventSchema } from '../../protocol/event.ts';
import { FromNodeSchema, LINE_VERBS, ToNodeSchema } from '../../protocol/line.ts';
import {
  ErrorReplySchema,
  ExplainReplySchema,
  OPERATIONS,
  RetryRequestSchema,
  SubmitRequestSchema,
  TaskViewSchema,
  TestAgentReplySchema,
} from '../../protocol/operation.ts';
import { ChunkSchema } from '../../protocol/output.ts';
import { AgentRegistrationSchema } from '../../protocol/registration.ts';
import { ReportSchema } from '../../protocol/report.ts';
import { FleetStreamEventSchema, TaskStreamEventSchema } from '../../protocol/stream.ts';
import { NODE_VERBS, names, TASK_RECORDS } from '../../protocol/subjects.ts';
import { TASK_STATUSES, TaskStateSchema } from '../../protocol/task.ts';
import { root } from '../support/built.ts';

const readme = readFileSync(join(root, 'protocol', 'README.md'), 'utf8');

const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  AdvertSchema,
  AgentRegistrationSchema,
  ChunkSchema,
  ConfigureRequestSchema,
  ConversationSchema,
  CoordinateReplySchema,
  ErrorReplySchema,
  EventSchema,
  ExplainReplySchema,
  FleetStreamEventSchema,
  FromNodeSchema,
  LeaseSchema,
  ReportSchema,
  RetryRequestSchema,
  RunReplySchema,
  RunRequestSchema,
  SubmitRequestSchema,
  TaskStateSchema,
  TaskStreamEventSchema,
  TaskViewSchema,
  TestAgentReplySchema,
  ToNodeSchema,
};

/** The rows of the table whose head is this, cell by cell. */
function tableOf(...head: readonly string[]): string[][] {
  const [, after] = readme.split(`| ${head.join(' | ')} |\n`);
  const lines = (after ?? '').split('\n');
  const end = lines.findIndex(line => !line.startsWith('|'));
  return lines.slice(1, end).map(line => line.slice(2, -2).split(' | '));
}

describe('the wire reference', () => {
  test('lists every error with what its row says', () => {
    const rows = Object.entries(ERRORS).map(([code, { retryable, http, exit, says }]) => [
      `\`${code}\``,
      retryable ? 'yes' : 'no',
      String(http),
      String(exit),
      says,
    ]);
    expect(tableOf('code', 'retryable', 'http', 'exit', 'says')).toEqual(rows);
  });

  test('lists every exit code', () => {
    expect(tableOf('exit', 'meaning')).toEqual(Object.entries(EXIT_MEANINGS));
  });

  test('lists every message of a line', () => {
    const kinds = [...FromNodeSchema.options, ...ToNodeSchema.options].map(({ shape }) => shape.kind.value);
    const rows = tableOf('from', 'kind', 'besides `kind` and `v`').map(([, kind = '']) => kind.slice(1, -1));
    expect([...rows].sort()).toEqual([...kinds].sort());
    const endpoints = tableOf(
      'endpoint',
      'request, besides `v`, `instance_id`, `fleet_id`, `epoch`, `task_id`, `attempt`',
      'answer',
    ).map(([endpoint = '']) => endpoint.slice(2, -1));
    expect(endpoints.sort()).toEqual([...LINE_VERBS].sort());
  });

  const examples = [...readme.matchAll(/<!-- example: (\w+) -->\n```json\n([\s\S]*?)\n```/g)];

  test.each(examples.map(([, name = '', json = '']) => [name, json]))(
    'shows an example that fits %s, with no field of its own',
    (name, json) => {
      const value: unknown = JSON.parse(json);
      expect(SCHEMAS[name]?.parse(value)).toEqual(value);
    },
  );

  test('shows an example of each message', () => {
    expect(examples.map(([, name]) => name).sort()).toEqual(Object.keys(SCHEMAS).sort());
  });

  test('names every subject, stream, bucket, record and status', () => {
    const built = names();
    const wanted = [
      ...NODE_VERBS.map(verb => `\`.${verb}\``).filter(
        verb => !['`.run`', '`.status`', '`.ask`'].includes(verb),
      ),
      ...['run', 'status', 'ask', 'advert', 'report'].map(verb => `\`ccli.node.<node>.${verb}\``),
      ...Object.values(OPERATIONS).map(({ subject }) => `\`ccli.${subject}\``),
      ...[built.reportsStream, built.outputStream, built.eventsStream].map(name => `\`${name}\``),
      ...[built.tasksBucket, built.agentsBucket, built.controlBucket, built.blobsBucket].map(
        name => `\`${name}\``,
      ),
      ...TASK_RECORDS.map(record => `\`<task>.${record}\``),
      ...TASK_STATUSES.map(status => `\`${status}\``),
    ];
    expect(wanted.filter(name => !readme.includes(name))).toEqual([]);
  });
});
