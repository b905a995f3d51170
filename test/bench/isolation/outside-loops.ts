/** What `outside.ts` is as a program: every kind of trouble, each in a loop of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { STOP_GRACE_MS } from '../../../node-agent/process/terminate.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { KINDS, MAX_OUTPUT_BYTES, SCRIPTED } from './kinds.ts';

const AllowedSchema = z.record(z.string(), z.number());

/** @param allowed JSON: for each kind, the milliseconds from one start to the next, on average */
export function runLoops(allowed: string, say: (line: string) => void): void {
  const pause_ms = AllowedSchema.parse(JSON.parse(allowed));
  const live = new Set<ChildProcess>();
  // However this process ends, short of SIGKILL: some of the tools ignore anything less.
  process.on('exit', () => {
    for (const child of live) child.kill('SIGKILL');
  });
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(name, () => {
      process.exit();
    });
  const again = async (agent_id: string): Promise<never> => {
    let began = performance.now();
    for (let due = began; ; ) {
      // A run that took longer is made up for: the pace is that of many runs, which do not all take the same.
      due += pause_ms[agent_id] ?? 0;
      await runTool(agent_id, live);
      await delay(Math.max(0, due - performance.now()));
      const now = performance.now();
      say(`${agent_id} ${(now - began).toFixed(1)}`);
      began = now;
    }
  };
  // A rejection ends the process, and shows in what it printed.
  for (const agent_id of KINDS.keys()) void again(agent_id);
}

/** Runs it once, to the end that its kind has. */
async function runTool(agent_id: string, live: Set<ChildProcess>): Promise<void> {
  const { prompt = '', timeout_ms, ends } = KINDS.get(agent_id) ?? {};
  // In this process's group, so that one signal to the group leaves nothing behind.
  const child = spawn(process.execPath, [SCRIPTED], { stdio: 'pipe' });
  live.add(child);
  const timers: NodeJS.Timeout[] = [];
  const stop = (): void => {
    child.kill('SIGTERM');
    timers.push(setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS));
  };
  if (timeout_ms !== undefined) timers.push(setTimeout(stop, timeout_ms));
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    const before = bytes;
    bytes += chunk.length;
    if (before <= MAX_OUTPUT_BYTES && bytes > MAX_OUTPUT_BYTES) stop();
  });
  child.stderr.resume();
  // A tool need not read what it is sent.
  child.stdin.on('error', () => undefined);
  child.stdin.end(prompt);
  const end = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(signal ?? code);
    });
  });
  live.delete(child);
  for (const timer of timers) clearTimeout(timer);
  if (end !== ends)
    throw new CcliError('internal', `${agent_id} ended with ${String(end)}, not ${String(ends)}.`);
}
