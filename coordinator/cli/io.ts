/** What the command line touches of its process, passed in so that tests can stand in for a terminal or a pipe. */
import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../../protocol/daemon/settings.ts';
import type { Fleet, FleetOptions } from '../embedded/fleet.ts';
import type { OpenSsh } from '../ssh/ssh.ts';

/** How `ccli up` starts a fleet: `startFleet` of `coordinator/embedded`. */
export type StartFleet = (options: FleetOptions) => Promise<Fleet>;

export type Interrupt = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export type InputStream = Readable & {
  readonly isTTY?: boolean | undefined;
  readonly fd?: number | undefined;
};
export type OutputStream = Writable & {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
};

export interface CliIo {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly environment: Environment;
  /** Takes over SIGINT, SIGTERM and SIGHUP until the returned function is called. */
  readonly onInterrupt: (listener: (signal: Interrupt) => void) => () => void;
  readonly startFleet: StartFleet;
  /** `createSsh` of `coordinator/ssh`. */
  readonly openSsh: OpenSsh;
}
