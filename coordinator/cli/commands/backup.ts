import { resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { CcliError } from '../../../protocol/errors.ts';
import type { Manifest } from '../../backup/manifest.ts';
import type { NatsAlone } from '../../embedded/nats-alone.ts';
import type { Action } from '../action.ts';
import type { Cli } from '../cli.ts';
import { type Client, openClient } from '../client.ts';
import { findPlace } from '../discovery.ts';
import { takeInterrupts } from '../interrupts.ts';
import { type CommonFlags, quietOption, withFleetOptions } from '../options.ts';
import { size } from '../render/quantity.ts';

export function addBackupCommands(program: Command, action: Action): void {
  const directory = (description: string): Argument => new Argument('<directory>', description);
  withFleetOptions(
    program
      .command('backup')
      .description('copy the stores of the running fleet into a directory')
      .addArgument(directory('made by this command; it must not be there yet')),
  )
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
The fleet goes on meanwhile. The directory holds prompts and answers in the clear: only its owner may read it.

Examples:
  ccli backup /var/backups/ccli-$(date +%F)`,
    )
    .action(action(backupCommand));
  withFleetOptions(
    program
      .command('restore')
      .description('bring a backup back, where there is no store yet')
      .addArgument(directory('made by `ccli backup`')),
  )
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
Stop the coordinators first and start them again afterwards; node-agents may run on. With --state DIR, or when no
server is named, the store goes into the state directory of \`ccli up\`, which must not be running.
Tasks that were not finished when the backup was made run again.

Examples:
  ccli restore /var/backups/ccli-2026-11-22 --nats nats://127.0.0.1:4222
  ccli restore ./backup --state ./fleet && ccli up --state ./fleet`,
    )
    .action(action(restoreCommand));
}

async function backupCommand(cli: Cli, directory: string, flags: CommonFlags): Promise<number> {
  const target = resolve(directory);
  const manifest = await cli.withClient(flags, client =>
    interruptibly(
      cli,
      flags,
      async (signal, onStage) => {
        // JetStream's client takes a while to load, and few commands need it.
        const { backUp } = await import('../../backup/backup.ts');
        const { connection, names } = client;
        return await backUp({ connection, names, directory: target, signal, onStage });
      },
      'Interrupted; nothing of the backup is left.',
    ),
  );
  if (flags.json === true) cli.json({ directory: target, ...described(manifest) });
  else cli.stdout.line(`backed up ${summary(manifest)} to ${target}`);
  return 0;
}

async function restoreCommand(cli: Cli, directory: string, flags: CommonFlags): Promise<number> {
  const source = resolve(directory);
  const { manifest, fleet_id } = await interruptibly(
    cli,
    flags,
    async (signal, onStage) => {
      const { restore } = await import('../../backup/restore.ts');
      return await withStore(cli, flags, { signal, onStage }, async ({ connection, names }) =>
        restore({ connection, names, directory: source, signal, onStage }),
      );
    },
    'Interrupted; what was written is taken back.',
  );
  if (flags.json === true) cli.json({ directory: source, ...described(manifest), fleet_id });
  else {
    cli.stdout.line(`restored ${summary(manifest)}, as of ${manifest.created_at}`);
    cli.stderr.line('The next coordinator to start goes on from there.');
  }
  return 0;
}

/** The server that is named; or the embedded one of a state directory, up for as long as it takes. */
async function withStore<T>(
  cli: Cli,
  flags: CommonFlags,
  options: { readonly signal: AbortSignal; readonly onStage: (text: string) => void },
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { environment } = cli.io;
  const place = findPlace(flags, environment);
  if ('nats' in place) return await cli.withClient(flags, work);
  const { startNatsAlone } = await import('../../embedded/nats-alone.ts');
  const { state_dir, prefix } = place;
  const nats: NatsAlone = await startNatsAlone({ state_dir, environment, ...options });
  try {
    const client = await openClient({ nats: { url: nats.url }, prefix });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  } finally {
    await nats.stop();
  }
}

async function interruptibly<T>(
  cli: Cli,
  flags: CommonFlags,
  work: (signal: AbortSignal, onStage: (text: string) => void) => Promise<T>,
  interrupted: string,
): Promise<T> {
  const progress = cli.progress(flags);
  const interrupts = takeInterrupts(cli.io);
  try {
    return await work(interrupts.first, text => {
      progress.stage(text);
    });
  } catch (error) {
    if (interrupts.first.aborted) throw new CcliError('cancelled', interrupted);
    throw error;
  } finally {
    interrupts.release();
    progress.pause();
  }
}

const described = ({ created_at, prefix, fleet_id, ccli_version, streams }: Manifest) => ({
  created_at,
  ccli_version,
  prefix,
  ...(fleet_id !== undefined && { fleet_id }),
  streams: streams.map(({ part, stream, file, bytes, sha256 }) => ({ part, stream, file, bytes, sha256 })),
});

const summary = ({ prefix, streams }: Manifest): string =>
  `the ${streams.length} stores of fleet "${prefix}" (${size(streams.reduce((sum, { bytes }) => sum + bytes, 0))})`;
