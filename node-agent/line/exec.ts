/**
 * `exec --stdio`: whoever speaks on our stdin and stdout, over SSH, is connected to the node of this host. We are no
 * part of it: when we end, by whatever means, the node and all that runs there go on.
 */
import { finished } from 'node:stream/promises';
import { ERRORS, toErrorBody } from '../../protocol/errors.ts';
import { loadNodeConfig } from '../config.ts';
import { errorLine } from './frame.ts';
import { reach } from './reach.ts';

interface ExecOptions {
  /** An absolute path. */
  readonly config_file: string | undefined;
  /** Of this program, which can stand in as well. */
  readonly program: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
}

/** @returns the exit code: of the table when nobody could be reached, which one line on stdout tells as well */
export async function exec({ config_file, program, stdin, stdout }: ExecOptions): Promise<number> {
  try {
    const config = loadNodeConfig(config_file);
    const { socket, first } = await reach({
      state_dir: config.state_dir,
      standIn: {
        program,
        args: ['node-agent', 'stand-in', ...(config_file === undefined ? [] : ['--config', config_file])],
        environment: config.environment,
      },
    });
    // Whoever ends first ends the line: a broken one is the other side's to notice.
    stdin.on('error', () => socket.destroy());
    stdout.on('error', () => socket.destroy());
    stdout.write(first);
    stdin.pipe(socket);
    socket.pipe(stdout);
    await finished(socket, { writable: false }).catch(() => undefined);
    await ending(stdout);
    return 0;
  } catch (error) {
    stdout.on('error', () => undefined);
    stdout.end(errorLine(error));
    await ending(stdout);
    return ERRORS[toErrorBody(error).code].exit;
  }
}

/** Written, or with nobody left to read it. */
const ending = async (stdout: NodeJS.WriteStream): Promise<void> => {
  if (!stdout.writableEnded) stdout.end();
  await finished(stdout).catch(() => undefined);
};
