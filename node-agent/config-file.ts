/** Where a node's configuration is when nobody says: the user's own, then the host's. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const places = (): string[] => [
  join(homedir(), '.config', 'ccli', 'node-agent.yaml'),
  '/etc/ccli/node-agent.yaml',
];

/** Undefined when there is none: defaults and the environment then say it all. */
export const findConfigFile = (): string | undefined => places().find(file => existsSync(file));
