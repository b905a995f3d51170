/** Starts a stand-in that outlives us: a session of its own, and none of our streams. */
import { spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError, ErrorCodeSchema } from '../../protocol/errors.ts';

export const standInLog = (state_dir: string): string => join(state_dir, 'stand-in.log');

/** How it is started: the program itself, with what makes a stand-in of it. */
export interface StandInCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Environment;
}

export interface StartedStandIn {
  readonly pid: number | undefined;
  /** Settles when it ends while we are still there, with why. */
  readonly ended: Promise<CcliError>;
}

/** @throws CcliError `start_failed` when there can be no log of it */
export async function spawnStandIn(state_dir: string, command: StandInCommand): Promise<StartedStandIn> {
  const file = standInLog(state_dir);
  const log = await openLog(file);
  const { size } = await log.stat();
  const child = spawn(process.execPath, [...process.execArgv, command.program, ...command.args], {
    detached: true,
    cwd: '/',
    env: command.environment,
    stdio: ['ignore', log.fd, log.fd],
  });
  child.unref();
  const exited = new Promise<Error | string>(resolve => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => {
      resolve(signal ?? `code ${code ?? 'none'}`);
    });
  });
  await log.close();
  return { pid: child.pid, ended: exited.then(how => endError(how, file, size)) };
}

async function openLog(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'a', 0o600);
  } catch (cause) {
    throw new CcliError('start_failed', `${file} cannot be written; see to the state directory.`, { cause });
  }
}

const SAID = /^error (\w+): (.*)$/gm;

/** What it said last, if that is an error of the table. */
async function endError(how: Error | string, file: string, from: number): Promise<CcliError> {
  if (how instanceof Error)
    return new CcliError('start_failed', 'The node-agent could not be started.', { cause: how });
  const said = [...(await textFrom(file, from)).matchAll(SAID)].at(-1);
  const code = ErrorCodeSchema.safeParse(said?.[1]);
  if (code.success) return new CcliError(code.data, said?.[2]);
  return new CcliError('start_failed', `The node-agent ended (${how}) before it answered; look at ${file}.`);
}

const TAIL_BYTES = 64 * 1024;

async function textFrom(file: string, from: number): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const at = Math.max(Math.min(from, size), size - TAIL_BYTES);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - at), 0, size - at, at);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch {
    // No log: that it ended is all there is to tell.
    return '';
  }
}
