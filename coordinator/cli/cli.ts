/** What every command works with: its streams, and how to reach the fleet. */

import { type Client, openClient } from './client.ts';
import { type FleetFlags, findFleet } from './discovery.ts';
import type { CliIo } from './io.ts';
import { createOutput, type Output } from './output.ts';
import { createProgress, type Progress, silentProgress } from './progress.ts';

export interface Cli {
  readonly io: CliIo;
  readonly stdout: Output;
  readonly stderr: Output;
  /** One JSON document on a line of its own. */
  readonly json: (document: unknown) => void;
  progress(flags: { readonly quiet?: boolean | undefined }): Progress;
  /** Connects to the fleet that the flags name and always disconnects. */
  withClient<T>(flags: FleetFlags, work: (client: Client) => Promise<T>): Promise<T>;
}

/** The identity of a caller is its coordinator's to decide; this is what `Operations` is given here. */
export const CALLER = 'cli';

export function createCli(io: CliIo): Cli {
  const stdout = createOutput(io.stdout, io.environment);
  const stderr = createOutput(io.stderr, io.environment);
  return {
    io,
    stdout,
    stderr,
    json: document => {
      stdout.line(JSON.stringify(document));
    },
    progress: ({ quiet }) =>
      quiet === true ? silentProgress : createProgress(stderr, io.stderr, io.environment),
    async withClient(flags, work) {
      const client = await openClient(await findFleet(flags, io.environment));
      try {
        return await work(client);
      } finally {
        await client.close();
      }
    },
  };
}
