/** Where the daemons' compiled programs are. */
import { fileURLToPath } from 'node:url';

export interface Programs {
  readonly coordinator: string;
  readonly node_agent: string;
}

export const compiledPrograms = (): Programs => ({
  coordinator: fileURLToPath(new URL('../main.js', import.meta.url)),
  node_agent: fileURLToPath(new URL('../../node-agent/main.js', import.meta.url)),
});
