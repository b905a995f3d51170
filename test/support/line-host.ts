/** A host with a node-agent in reach of `exec`, and no coordinator: the test holds the lines. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { RunReplySchema, type RunRequest } from '../../protocol/control.ts';
import { lockHolder } from '../../protocol/daemon/lock.ts';
import { type DaemonProcess, startDaemon } from './daemon.ts';
import { scriptedAgent } from './fleet.ts';
import { type LineEnd, openLine } from './line-end.ts';
import { runs } from './running.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

/** Nobody listens there. */
const NO_NATS = 'nats://127.0.0.1:9';

export interface LineHost {
  readonly file: string;
  readonly state_dir: string;
  readonly line: (options?: { readonly ack?: boolean }) => LineEnd;
  /** Once its agent is ready. */
  readonly ready: (options?: { readonly ack?: boolean }) => Promise<LineEnd>;
  readonly daemon: (nats_url?: string) => DaemonProcess;
  /** Over this line, to whoever has said hello there. */
  readonly run: (line: LineEnd, over: Partial<RunRequest>) => Promise<z.infer<typeof RunReplySchema>>;
  /** The process that has the state directory. */
  readonly holder: () => Promise<number | undefined>;
  readonly standInLog: () => Promise<string>;
}

interface HostOptions {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly state_dir?: string;
}

export async function lineHost({ settings = {}, ...options }: HostOptions = {}): Promise<LineHost> {
  const directory = await temporaryDirectory();
  const state_dir = options.state_dir ?? join(directory, 'state');
  const file = join(directory, 'node-agent.yaml');
  await writeFile(
    file,
    stringify({
      node: 'walnut',
      state_dir,
      advert_interval: '200ms',
      drain_timeout: '1s',
      nats: { url: NO_NATS },
      agents: [scriptedAgent('one', { max_concurrent: 4 })],
      ...settings,
    }),
  );
  const holder: LineHost['holder'] = async () => (await lockHolder(state_dir, 'node-agent'))?.pid;
  onTestFinished(async () => {
    const pid = await holder().catch(() => undefined);
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    await waitFor(() => !runs(pid), { what: 'the end of the stand-in' });
  });
  const line: LineHost['line'] = how => openLine({ file, ...how });
  return {
    file,
    state_dir,
    line,
    holder,
    async ready(how) {
      const end = line(how);
      await end.advertised(({ agents }) => agents.every(({ health }) => health === 'ready'));
      return end;
    },
    daemon: nats_url =>
      startDaemon({
        program: 'node-agent',
        args: ['--config', file],
        environment: nats_url === undefined ? {} : { CCLI_NATS_URL: nats_url },
      }),
    async run(end, over) {
      const { instance_id } = await end.hello();
      const reply = await end.request('run', {
        v: 1,
        instance_id,
        fleet_id: 'f1',
        epoch: 1,
        task_id: 't1',
        attempt: 1,
        agent_id: 'one',
        prompt: { inline: 'hello' },
        ...over,
      });
      return RunReplySchema.parse(reply);
    },
    standInLog: () => readFile(join(state_dir, 'stand-in.log'), 'utf8'),
  };
}
