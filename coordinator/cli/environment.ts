/** The one place of the command line that reads the process's environment. */
import type { Environment } from '../../protocol/daemon/settings.ts';

export const processEnvironment = (): Environment => process.env;
