/** The limit of a cold prompt: the same command as a person would run it, from its start to its exit. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { type DriverOptions, prepareLaunch, startModel } from '../../../node-agent/drivers/launch.ts';
import { makeWorkspace } from '../../../node-agent/process/workspace.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { ANSWER, PROMPT } from './model.ts';

/** The home is made before the clock starts: a person has one. */
export async function runByHand(options: DriverOptions, signal: AbortSignal): Promise<number> {
  const { agent, config } = options;
  const launch = await prepareLaunch(options, agent.tool_policy);
  const workspace = await makeWorkspace(agent, config.state_dir);
  const { executable, home, env } = launch;
  const args = [
    ...executable.args,
    ...['--output-format', 'stream-json', '--approval-mode', 'default'],
    ...['--model', startModel(agent) ?? ''],
    ...(home?.args ?? []),
  ];
  try {
    const began = performance.now();
    const child = spawn(executable.file, args, {
      cwd: workspace.path,
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
      signal,
    });
    child.stdin.end(PROMPT);
    const [printed] = await Promise.all([text(child.stdout), once(child, 'close')]);
    const end_ms = performance.now() - began;
    if (child.exitCode !== 0 || !printed.includes(ANSWER))
      throw new CcliError('internal', `The command by hand exited with ${child.exitCode ?? 'a signal'}.`);
    return end_ms;
  } finally {
    await workspace.remove();
    await launch.remove();
  }
}
