/** The process that stands in. Nobody watches it: what it has to say is in its log. */
import { existsSync } from 'node:fs';
import { createLog } from '../../protocol/daemon/log.ts';
import { CcliError, ERRORS, toErrorBody } from '../../protocol/errors.ts';
import { loadNodeConfig } from '../config.ts';
import { createBoundedLog } from './bounded-log.ts';
import { startStandIn } from './stand-in.ts';
import { standInLog } from './start-stand-in.ts';

/** @returns the exit code, once it has gone */
export async function runStandIn(config_file: string | undefined): Promise<number> {
  let stop = (): void => {
    process.exit(ERRORS.cancelled.exit);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      stop();
    });
  // The session that started it may end: that is what it is there for.
  process.on('SIGHUP', () => undefined);
  try {
    const config = loadNodeConfig(config_file);
    if (!existsSync(config.state_dir)) throw cleared(config.state_dir);
    const to = createBoundedLog(standInLog(config.state_dir));
    const standIn = await startStandIn({
      config,
      log: createLog({ level: config.log_level, name: 'node-agent-stand-in', to }),
    });
    stop = () => {
      void standIn.stop();
    };
    await standIn.ended;
    return 0;
  } catch (error) {
    const { code, message, cause } = toErrorBody(error);
    // Of its own log, the end: whoever has started it looks there.
    process.stderr.write(`error ${code}: ${message}${cause === undefined ? '' : ` (${cause})`}\n`);
    return ERRORS[code].exit;
  }
}

/** Whoever started us has made it: the host has been cleared since, and must not be littered again. */
const cleared = (directory: string): CcliError =>
  new CcliError('start_failed', `The state directory ${directory} is not there any more.`);
