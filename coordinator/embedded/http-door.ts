/** Where the coordinator of an embedded fleet serves HTTP. */
import type { Environment } from '../../protocol/daemon/settings.ts';
import { HTTP_VARIABLES } from '../http/settings.ts';
import { valueOf } from './environment.ts';

/** A port; or none: the fleet is up for one prompt only. */
export type HttpPort = number | 'off';

/**
 * What the coordinator's environment says of it. What was asked for stands, also when it cannot be had; the port that
 * everybody tries first is only a preference, since another fleet of this machine may have it.
 */
export function httpEnvironment(environment: Environment, wanted: HttpPort | undefined): Environment {
  if (wanted === 'off') return { [HTTP_VARIABLES.enabled]: 'false' };
  if (wanted !== undefined) {
    return { [HTTP_VARIABLES.enabled]: 'true', [HTTP_VARIABLES.port]: String(wanted) };
  }
  const named = valueOf(environment, HTTP_VARIABLES.port) !== undefined;
  return named ? {} : { [HTTP_VARIABLES.when_taken]: 'any_port' };
}
