/** The one place of the command line that reads the process's environment. */
import type { Environment } from './io.ts';

export const processEnvironment = (): Environment => process.env;
