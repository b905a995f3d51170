/** Why a host that takes connections does not become one we are signed in at, by what the SSH library says of it. */
import { CcliError } from '../../protocol/errors.ts';
import { addressOf, type ClientConfig } from './client-config.ts';
import { codeOf, type Stage, unreachable } from './failure.ts';

/** No key was taken; or the host said goodbye, with a number for the reason, while keys were offered to it. */
export const isAboutKeys = (error: unknown, stage: Stage): boolean =>
  levelOf(error) === 'client-authentication' ||
  (stage === 'auth' && error instanceof Error && 'code' in error && typeof error.code === 'number');

export function handshakeFailure(config: ClientConfig, error: unknown): CcliError {
  const said = error instanceof Error ? error.message : String(error);
  if (/no matching/i.test(said))
    return new CcliError(
      'ssh_config_unsupported',
      `${config.name} and ccli know no way to speak in common (${said}); allow a newer algorithm there, or an older one in your SSH configuration.`,
      { cause: error },
    );
  // The library has words for a server of another kind, and numbers for one that is gone.
  if (levelOf(error) === 'protocol' && /header|identification|version/i.test(said))
    return new CcliError(
      'ssh_unreachable',
      `What answers at ${addressOf(config)} for ${config.name} is no SSH server (${said}); check the port.`,
      { cause: error },
    );
  const hung_up = [undefined, 'ECONNRESET', 'EPIPE'].includes(codeOf(error));
  return unreachable(config.name, addressOf(config), error, hung_up ? HUNG_UP : undefined);
}

/** What sshd does with those beyond its MaxStartups, too: it says so in a line that is no greeting. */
const HUNG_UP =
  'it took the connection and hung up before we were signed in; too many may be signing in there at once (MaxStartups in ' +
  'its sshd_config), or it keeps this address out: the log of sshd says which';

const levelOf = (error: unknown): unknown =>
  error instanceof Error && 'level' in error ? error.level : undefined;
