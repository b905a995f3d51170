/** The address by which a host is to reach the fleet: one that means this machine alone would mean the host there. */
import { addressProblem } from '../../protocol/daemon/connect.ts';
import { CcliError } from '../../protocol/errors.ts';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?|0\.0\.0\.0|\[?::\]?)$/i;

export function isLoopbackAddress(url: string): boolean {
  return url.split(',').some(server => {
    const host = /^(?:\w+:\/\/)?(\[[^\]]*\]|[^:/]+)/.exec(server.trim())?.[1] ?? '';
    return LOOPBACK.test(host);
  });
}

interface AddressCheck {
  readonly url: string;
  readonly host: string;
  /** Whether the host is the machine that this runs on. */
  readonly same_machine: boolean;
}

/** @throws CcliError `config_invalid` */
export function checkNatsAddress({ url, host, same_machine }: AddressCheck): void {
  if (url.includes('@'))
    throw new CcliError(
      'config_invalid',
      'The NATS address has credentials in it, and none are taken from there; bring them to the host in a file, with --nats-token-file or --credentials.',
    );
  const problem = addressProblem(url);
  if (problem !== undefined) throw new CcliError('config_invalid', problem);
  if (!isLoopbackAddress(url) || same_machine) return;
  throw new CcliError(
    'config_invalid',
    `${url} means ${host} itself when ${host} reads it. Name the address of NATS as ${host} sees it, with --nats-url nats://THIS_MACHINE:4222; the server must listen there, not on loopback alone.`,
  );
}
