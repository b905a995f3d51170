/** All the processes of a run: nats-server, two coordinators, three node-agents, each behind a line of its own. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { built } from '../support/built.ts';
import type { GeminiStub } from '../support/gemini-stub.ts';
import { type NatsProxy, startNatsProxy } from '../support/nats-proxy.ts';
import { Daemon } from './daemon.ts';
import { COORDINATORS, NODES } from './kinds.ts';
import { startModel } from './model.ts';
import { Server } from './server.ts';
import { coordinatorSettings, nodeSettings } from './settings.ts';

export interface Member {
  readonly daemon: Daemon;
  readonly proxy: NatsProxy;
}

export interface World {
  readonly directory: string;
  readonly server: Server;
  readonly members: ReadonlyMap<string, Member>;
  /** Where tools and model keep their log. */
  readonly runs_directory: string;
  /** What ended, or did not end, without anybody's doing. */
  readonly surprises: () => string[];
  /** The daemons alone: the store can still be read. */
  readonly stopDaemons: () => Promise<void>;
  /** Everything. */
  readonly stop: () => Promise<void>;
}

const STOP_PATIENCE_MS = 30_000;

export async function startWorld(directory: string): Promise<World> {
  const runs_directory = join(directory, 'runs');
  for (const name of ['logs', 'home', 'tmp', 'runs', 'clocks', 'nats'])
    await mkdir(join(directory, name), { recursive: true });
  const server = new Server(directory, process.env);
  const members = new Map<string, Member>();
  const model = await startModel(runs_directory);
  const stopDaemons = async (): Promise<void> => {
    // Nodes first: their last results need a coordinator no more, but a server.
    for (const names of [NODES, COORDINATORS])
      await Promise.all(names.map(async name => members.get(name)?.daemon.stop(STOP_PATIENCE_MS)));
  };
  const stop = async (): Promise<void> => {
    await stopDaemons();
    for (const { proxy } of members.values()) await proxy.close();
    await server.stop();
    await model.close();
  };
  try {
    await server.start();
    for (const name of COORDINATORS)
      members.set(name, await startMember({ name, program: 'coordinator', directory, server, model }));
    for (const name of NODES)
      members.set(name, await startMember({ name, program: 'node-agent', directory, server, model }));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    directory,
    server,
    members,
    runs_directory,
    surprises: () => [
      ...server.surprises,
      ...[...members.values()].flatMap(({ daemon }) => daemon.surprises),
    ],
    stopDaemons,
    stop,
  };
}

interface MemberOptions {
  readonly name: string;
  readonly program: 'coordinator' | 'node-agent';
  readonly directory: string;
  readonly server: Server;
  readonly model: GeminiStub;
}

async function startMember({ name, program, directory, server, model }: MemberOptions): Promise<Member> {
  const proxy = await startNatsProxy(server.port);
  const config_file = join(directory, `${name}.yaml`);
  const node = NODES.find(one => one === name);
  const settings =
    node === undefined
      ? coordinatorSettings()
      : nodeSettings({
          node,
          state_dir: join(directory, 'state', node),
          runs_directory: join(directory, 'runs'),
        });
  await writeFile(config_file, settings);
  const daemon = new Daemon({
    name,
    program: built(`${program}/main.ts`),
    config_file,
    environment: {
      PATH: process.env['PATH'] ?? '',
      HOME: join(directory, 'home'),
      TMPDIR: join(directory, 'tmp'),
      LANG: 'C.UTF-8',
      CCLI_NATS_URL: proxy.url,
      ...model.environment,
    },
    log_file: join(directory, 'logs', `${name}.log`),
    clock_file: join(directory, 'clocks', name),
  });
  daemon.start();
  return { daemon, proxy };
}
