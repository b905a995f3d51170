/** The fleet, as it can be seen from here: as a whole, then node by node. */
import { runChecks } from '../../../protocol/daemon/checks.ts';
import { withinLimit } from '../../../protocol/daemon/within-limit.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { failure, skipped, warn } from '../../../protocol/finding.ts';
import type { DoctorFinding } from '../report.ts';
import { FLEET_CHECKS } from './checks.ts';
import type { FleetAccess, FleetAddress, FleetContext } from './context.ts';
import { createFleetContext } from './create-context.ts';
import { nodeChecks } from './node-checks.ts';

export interface FleetOptions {
  /** @throws CcliError `fleet_not_found`, `nats_unreachable`, `nats_refused`, `config_invalid` */
  readonly openFleet: () => Promise<{ readonly access: FleetAccess; readonly address: FleetAddress }>;
  /** Of this ccli. */
  readonly version: string;
  /** The most prompts at a time; 0 for none at all. */
  readonly concurrency: number;
  /** Only these, once they are known; all when absent. */
  readonly only?: Promise<ReadonlySet<string>>;
  readonly signal: AbortSignal;
  readonly onStart: (title: string) => void;
}

const PARTING_MS = 2_000;

/** Never rejects. */
export async function examineFleet(options: FleetOptions): Promise<DoctorFinding[]> {
  const { openFleet, version, signal, onStart, only } = options;
  let opened: Awaited<ReturnType<FleetOptions['openFleet']>>;
  try {
    onStart('the way to the fleet');
    opened = await openFleet();
  } catch (error) {
    return unreachable(error, only !== undefined);
  }
  const { access, address } = opened;
  const context = createFleetContext({ access, address, version, signal });
  try {
    const whole = await runChecks(FLEET_CHECKS, context, { signal, onStart });
    const answered = whole.some(({ check, outcome }) => check === 'coordinator' && outcome !== 'fail');
    return [...whole, ...(answered && !signal.aborted ? await examineNodes(context, options) : [])];
  } finally {
    await withinLimit(Promise.all(context.parting), PARTING_MS);
    await access.close();
  }
}

async function examineNodes(context: FleetContext, options: FleetOptions): Promise<DoctorFinding[]> {
  const { concurrency, only, signal, onStart } = options;
  try {
    const [nodes, agents, wanted] = await Promise.all([context.nodes(), context.agents(), only]);
    const shown = nodes.filter(({ node }) => wanted?.has(node) ?? true);
    if (nodes.length === 0) return [{ check: 'nodes', ...NO_NODES }];
    const found = await Promise.all(
      shown.map(async node => {
        const checks = nodeChecks({ node, agents, concurrency });
        const findings = await runChecks(checks, context, { signal, onStart });
        return findings.map(finding => ({ host: node.node, ...finding }));
      }),
    );
    return found.flat();
  } catch (error) {
    return [
      { check: 'nodes', ...(signal.aborted ? skipped('Interrupted before it ended.') : failure(error)) },
    ];
  }
}

const NO_NODES = warn(
  'No node has joined this fleet.',
  'Set one up with `ccli bootstrap HOST`, or start one with `ccli node-agent`.',
);

/** Whoever asks about a host may have no fleet yet. */
function unreachable(error: unknown, hosts: boolean): DoctorFinding[] {
  const none = hosts && error instanceof CcliError && error.code === 'fleet_not_found';
  const first = none ? skipped('No fleet is named here, so none was looked at.') : failure(error);
  const rest = FLEET_CHECKS.filter(({ id }) => id !== 'nats').map(({ id }) => ({
    check: id,
    ...skipped('Not looked at: nats comes first.'),
  }));
  return [{ check: 'nats', ...first }, ...(none ? [] : rest)];
}
