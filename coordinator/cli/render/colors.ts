import pc from 'picocolors';
import type { Environment } from '../../../protocol/daemon/settings.ts';

export type Colors = ReturnType<typeof pc.createColors>;

/** Colours only on a terminal that can show them and whose user has not said NO_COLOR. */
export function colorsFor(tty: boolean, environment: Environment): Colors {
  const refused = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  return pc.createColors(tty && !refused);
}
