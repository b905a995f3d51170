import type { Cli } from './cli.ts';

/** Makes what commander calls of what a command does: work that ends with an exit code. */
export type Action = <A extends readonly unknown[]>(
  work: (cli: Cli, ...args: A) => Promise<number>,
) => (...args: A) => Promise<void>;
