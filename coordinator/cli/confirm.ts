/** A question to whoever sits at the terminal. */
import { createInterface } from 'node:readline/promises';
import type { Cli } from './cli.ts';

/** Whether somebody is there to ask. */
export const canAsk = ({ io }: Cli): boolean => io.stdin.isTTY === true && io.stderr.isTTY === true;

/** Only `y` and `yes` are a yes; the end of input is a no. @throws what `signal` was aborted with */
export async function confirm({ io }: Cli, question: string, signal: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  const closed = new Promise<string>(resolve => {
    lines.once('close', () => {
      resolve('');
    });
  });
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `, { signal }), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}
