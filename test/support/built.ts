/** The compiled programs, which the global set-up has brought up to date. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of the checkout, whether this file runs from its source or compiled. */
export const root = findRoot(import.meta.dirname);

function findRoot(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : findRoot(dirname(directory));
}

/** Absolute path of a source file's compiled form: `built('coordinator/main.ts')`. */
export function built(source: string): string {
  const path = join(root, 'dist', source.replace(/\.ts$/, '.js'));
  if (!existsSync(path)) throw new Error(`${path} is missing; the global set-up compiles it`);
  return path;
}
