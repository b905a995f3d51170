/** Looks at a host without changing anything there. */
import { CcliError } from '../../protocol/errors.ts';
import type { SshHost } from '../ssh/ssh.ts';
import { askHost } from './answers.ts';
import type { HostFacts, Wanted } from './facts.ts';
import { judgeClock } from './facts-clock.ts';
import { natsAddresses, readReach } from './facts-nats.ts';
import { readFacts } from './facts-read.ts';
import { preflightScript } from './preflight-script.ts';
import { createShell } from './shell.ts';

const TIMEOUT_MS = 60_000;

/** @throws CcliError those of `SshHost.run`; `host_not_ready` for a host that gives its user no home */
export async function preflight(host: SshHost, wanted: Wanted, signal: AbortSignal): Promise<HostFacts> {
  const addresses = natsAddresses(wanted.nats_url);
  const shell = createShell(host, signal);
  const asked_ms = Date.now();
  const answers = await askHost(shell, preflightScript(addresses), { timeout_ms: TIMEOUT_MS });
  const answered_ms = Date.now();
  const facts = readFacts(answers, wanted);
  if (!facts.home.startsWith('/') || !Number.isInteger(facts.uid))
    throw new CcliError(
      'host_not_ready',
      `${host.name} gives its user no home directory (HOME is "${facts.home}" there); give it one.`,
    );
  const looks = { first: answers.one('clock_first'), last: answers.one('clock_last'), asked_ms, answered_ms };
  return { ...facts, clock: judgeClock(looks), nats: readReach(addresses, answers.all('nats')) };
}
