#!/usr/bin/env node
/** The `ccli` command: gives `runCli` this process's streams, environment and signals. */
import { processEnvironment } from './environment.ts';
import type { CliIo, Interrupt } from './io.ts';
import { runCli } from './run-cli.ts';

const INTERRUPTS: readonly Interrupt[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const onInterrupt: CliIo['onInterrupt'] = listener => {
  for (const signal of INTERRUPTS) process.on(signal, listener);
  return () => {
    for (const signal of INTERRUPTS) process.off(signal, listener);
  };
};

// A reader may go at any moment, also after the command's own listeners are gone; `runCli` has dealt with it by then.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const code = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: processEnvironment(),
  onInterrupt,
  // Loaded when it is needed: most commands never start a fleet.
  startFleet: async options => (await import('../embedded/fleet.ts')).startFleet(options),
  openSsh: async options => (await import('../ssh/client.ts')).createSsh(options),
});
// Everything is flushed and closed; a stdin that nobody writes to must not keep the process.
process.exit(code);
