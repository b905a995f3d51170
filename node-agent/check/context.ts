/** What the checks of a host work with. */
import { CcliError } from '../../protocol/errors.ts';
import type { NodeConfig } from '../config.ts';

export interface CheckContext {
  /** Absolute; undefined when there is none. */
  readonly config_file: string | undefined;
  /** Undefined until it was read, and for ever when it cannot be. */
  config: NodeConfig | undefined;
}

/** For checks that need `config`. */
export function configOf({ config }: CheckContext): NodeConfig {
  if (config === undefined) throw new CcliError('config_invalid');
  return config;
}
