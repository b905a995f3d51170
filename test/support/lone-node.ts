/**
 * Node-agents on a real nats-server with a report stream and no coordinator: the test speaks for one, so that every
 * request comes at the moment it chooses.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { loadNodeConfig } from '../../node-agent/config.ts';
import { type NodeAgent, startNodeAgent } from '../../node-agent/main.ts';
import { type Advert, AdvertSchema } from '../../protocol/advert.ts';
import type { AgentStatus } from '../../protocol/agent.ts';
import {
  CancelAttemptReplySchema,
  type CancelAttemptRequest,
  CancelAttemptRequestSchema,
  type ConfigureReply,
  ConfigureReplySchema,
  type ConfigureRequest,
  ConfigureRequestSchema,
  type DrainReply,
  DrainReplySchema,
  DrainRequestSchema,
  type ProbeReply,
  ProbeReplySchema,
  type ProbeRequest,
  ProbeRequestSchema,
  RunReplySchema,
  type RunRequest,
  RunRequestSchema,
  type VerifyReply,
  VerifyReplySchema,
  type VerifyRequest,
  VerifyRequestSchema,
} from '../../protocol/control.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { requestJson } from '../../protocol/daemon/request.ts';
import { CcliError } from '../../protocol/errors.ts';
import { type FinishedReport, ReportSchema } from '../../protocol/report.ts';
import { names as namesOf } from '../../protocol/subjects.ts';
import { type DaemonProcess, startDaemon } from './daemon.ts';
import { type TestNats, testNats } from './nats-server.ts';
import { plainEnvironment } from './plain-environment.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

const SCRIPTED = join(import.meta.dirname, 'tools', 'scripted.mjs');
const names = namesOf('ccli');

/** What the scripted tool is to do, as a prompt. */
export const script = (what: Record<string, unknown>): { inline: string } => ({
  inline: `#${JSON.stringify(what)}`,
});

export interface LoneNode {
  readonly nats: TestNats;
  readonly connection: NatsConnection;
  readonly state_dir: string;
  /** In this process; resolves once its agents are ready, or, when they are not to be, once it answers. */
  readonly start: (until?: 'ready' | 'answers') => Promise<NodeAgent>;
  /** As a process of its own, which can be killed; resolves once it answers and its agent is ready. */
  readonly startProcess: () => Promise<DaemonProcess>;
  readonly status: () => Promise<Advert>;
  readonly run: (over?: Partial<RunRequest>) => Promise<RunReply>;
  readonly cancel: (over?: Partial<CancelAttemptRequest>) => Promise<string>;
  readonly drain: (drain: boolean) => Promise<DrainReply>;
  /** The desired state: of revision 1 unless said otherwise. */
  readonly configure: (over: Partial<ConfigureRequest>) => Promise<ConfigureReply>;
  /** Of agent "one", without a canary. */
  readonly probe: (over?: Partial<ProbeRequest>) => Promise<ProbeReply>;
  readonly verify: (over?: Partial<VerifyRequest>) => Promise<VerifyReply>;
  /** Waits until the agent shows this; with `undefined`, until there is none of this id. */
  readonly shows: (agent_id: string, what: Partial<AgentStatus> | undefined) => Promise<Advert>;
  /** Finished reports that the stream has, in its order. */
  readonly reports: () => Promise<FinishedReport[]>;
  /** Waits until there are so many of them. */
  readonly reported: (count: number) => Promise<FinishedReport[]>;
  /** Whether the stream answers when it has stored something. */
  readonly acknowledge: (acknowledge: boolean) => Promise<void>;
}

type RunReply = z.infer<typeof RunReplySchema>;

interface LoneOptions {
  /** The scripted tool, unless it says of which type it is. */
  readonly agent?: Record<string, unknown>;
  /** `agents` in here come in place of that one. */
  readonly settings?: Record<string, unknown>;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function loneNode({
  agent = {},
  settings = {},
  environment = {},
}: LoneOptions = {}): Promise<LoneNode> {
  const nats = await testNats();
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  const stream = { name: names.reportsStream, subjects: [names.allReports] };
  await manager.streams.add(stream);

  const directory = await temporaryDirectory();
  const state_dir = join(directory, 'state');
  const file = join(directory, 'node-agent.yaml');
  const scripted = { agent_type: 'cli_generic', command: SCRIPTED };
  const agents = [{ id: 'one', ...(agent['agent_type'] === undefined && scripted), ...agent }];
  await writeFile(file, stringify({ node: 'walnut', state_dir, agents, ...settings }));

  const status = async (): Promise<Advert> => {
    const reply = await connection.request(names.node('walnut', 'status'), '', { timeout: 3_000 });
    return AdvertSchema.parse(reply.json());
  };
  const instance = async (): Promise<string> => (await status()).instance_id;
  const ready = (): Promise<Advert> =>
    waitFor(async () => {
      const advert = await status();
      return advert.agents.every(({ health }) => health === 'ready') && advert;
    });
  const head = async () => ({ v: 1, instance_id: await instance(), fleet_id: 'f1', epoch: 1 });
  const attempt = { task_id: 't1', attempt: 1 };
  const ask = <Q, A>(
    verb: 'run' | 'cancel' | 'drain' | 'configure' | 'probe' | 'verify',
    request: z.ZodType<Q>,
    reply: z.ZodType<A>,
    value: Q,
    // What a cancel of anything may take.
    timeout_ms = 5_000,
  ) =>
    requestJson(connection, {
      subject: names.node('walnut', verb),
      request,
      reply,
      value,
      timeout_ms,
      onNobody: () => new CcliError('node_lost'),
    });

  const reports = async (): Promise<FinishedReport[]> => {
    const { state } = await manager.streams.info(stream.name);
    const found: FinishedReport[] = [];
    for (let seq = Math.max(state.first_seq, 1); seq <= state.last_seq; seq += 1) {
      const message = await manager.streams.getMessage(stream.name, { seq });
      if (message === null) continue;
      const report = ReportSchema.parse(message.json());
      if (report.kind === 'finished') found.push(report);
    }
    return found;
  };

  return {
    nats,
    connection,
    state_dir,
    status,
    reports,
    async start(until = 'ready') {
      const config = loadNodeConfig(file, {
        ...plainEnvironment(),
        ...environment,
        CCLI_NATS_URL: nats.url,
      });
      const node = await startNodeAgent(config, createLog({ level: 'silent', name: 'node-agent' }));
      onTestFinished(() => node.stop());
      if (until === 'ready') await ready();
      return node;
    },
    async startProcess() {
      const daemon = startDaemon({
        program: 'node-agent',
        args: ['--config', file],
        environment: { ...environment, CCLI_NATS_URL: nats.url },
      });
      await daemon.logged('agent_ready');
      await ready();
      return daemon;
    },
    run: async over =>
      ask('run', RunRequestSchema, RunReplySchema, {
        ...(await head()),
        ...attempt,
        agent_id: 'one',
        prompt: { inline: 'hello' },
        ...over,
      }),
    async cancel(over) {
      const value = { ...(await head()), ...attempt, reason: 'cancelled' as const, ...over };
      return (await ask('cancel', CancelAttemptRequestSchema, CancelAttemptReplySchema, value)).answer;
    },
    drain: drain => ask('drain', DrainRequestSchema, DrainReplySchema, { drain }),
    configure: async over =>
      ask('configure', ConfigureRequestSchema, ConfigureReplySchema, {
        ...(await head()),
        revision: 1,
        agents: {},
        ...over,
      }),
    probe: over => {
      const value = { agent_id: 'one', canary: false, ...over };
      return ask('probe', ProbeRequestSchema, ProbeReplySchema, value, 60_000);
    },
    verify: over => {
      const value = { agent_id: 'one', ...over };
      return ask('verify', VerifyRequestSchema, VerifyReplySchema, value, 120_000);
    },
    shows: (agent_id, what) =>
      waitFor(
        async () => {
          const advert = await status();
          const agent = advert.agents.find(one => one.agent_id === agent_id);
          if (agent === undefined || what === undefined)
            return agent === undefined && what === undefined && advert;
          return isDeepStrictEqual({ ...agent, ...what }, { ...agent }) && advert;
        },
        { what: `agent ${agent_id} showing ${JSON.stringify(what)}` },
      ),
    reported: count =>
      waitFor(async () => {
        const found = await reports();
        return found.length >= count && found;
      }),
    async acknowledge(acknowledge) {
      await manager.streams.update(stream.name, { ...stream, no_ack: !acknowledge });
    },
  };
}
