/** What there is to measure behind a name: agents of the fleet where one can be asked, and a host. */
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';
import { findTargets, type Targets } from '../../baseline/targets.ts';
import { CALLER, type Cli } from '../cli.ts';
import { type Client, openClient } from '../client.ts';
import { findFleet } from '../discovery.ts';
import type { BenchFlags } from './flags.ts';

export interface Place extends Targets {
  /** Undefined when no fleet is asked. */
  readonly client: Client | undefined;
}

/** Without any of these, a host can still be measured. */
const NO_FLEET: ReadonlySet<ErrorCode> = new Set(['fleet_not_found', 'nats_unreachable', 'no_coordinator']);

/** The client is the caller's to close. @throws CcliError when a fleet that was named cannot be asked */
export async function findPlace(
  cli: Cli,
  name: string,
  flags: BenchFlags,
  signal: AbortSignal,
): Promise<Place> {
  if (flags.ssh === true) return { client: undefined, agents: [], host: name, notes: [] };
  let client: Client | undefined;
  try {
    client = await openClient(await findFleet(flags, cli.io.environment));
    const { agents } = await client.operations.agents({}, { caller: CALLER, signal });
    return { client, ...findTargets(name, agents) };
  } catch (error) {
    await client?.close();
    const named = flags.nats !== undefined || flags.state !== undefined;
    if (named || !(error instanceof CcliError) || !NO_FLEET.has(error.code)) throw error;
    const note = `no fleet was asked (${error.code}): ${name} is taken for a host`;
    return { client: undefined, agents: [], host: name, notes: [note] };
  }
}
