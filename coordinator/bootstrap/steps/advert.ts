/** The fleet has heard of the node: of this daemon, in this version. */
import { CcliError } from '../../../protocol/errors.ts';
import { poll } from '../../embedded/poll.ts';
import { findNode, type NodeSeen } from '../fleet-door.ts';
import { isLoopbackAddress } from '../nats-address.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';
import { withLastWords } from './start.ts';

const PAUSE = { pause_ms: 150, max_pause_ms: 1_000 };

export function advertStep(work: Work): Step {
  const { fleet, node, signal, progress, wishes, service, shell, watcher } = work;

  const heard = async (): Promise<NodeSeen | undefined> => {
    const seen = await findNode(fleet, node, signal);
    // Over a line it may be one that stands in for the daemon.
    const by_itself = seen?.transport === undefined && seen?.stand_in !== true;
    if (seen?.alive !== true || seen.leaving || !by_itself) return undefined;
    if (progress.started === undefined) return seen;
    return seen.instance_id === progress.started.before ? undefined : seen;
  };

  return {
    name: 'advert',
    async look() {
      if (progress.started !== undefined || (wishes.dry_run && progress.restart.length > 0))
        return { would: `wait until the fleet has heard of ${node}` };
      const seen = await heard();
      return seen === undefined
        ? { would: `wait until the fleet has heard of ${node}` }
        : { right: `${node} is in the fleet` };
    },
    async act() {
      watcher.progress(`waiting for ${node} to advertise itself`);
      const seen = await poll(
        async () => {
          const found = await heard();
          if (found !== undefined) return found;
          if (!(await service.running(shell)))
            throw await withLastWords(
              service,
              shell,
              new CcliError('bootstrap_failed', `The node-agent on ${shell.host} has ended by itself.`),
            );
          return undefined;
        },
        { ...PAUSE, timeout_ms: wishes.patience_ms, signal },
      );
      if (seen === undefined) throw await withLastWords(service, shell, silent(work));
      if (seen.contested)
        throw new CcliError(
          'bootstrap_failed',
          `Two node-agents call themselves ${node}: stop the other one, or name this one with --node.`,
        );
      return `${node} is in the fleet, version ${seen.version}`;
    },
  };
}

function silent({ node, shell, plan, wishes, fleet }: Work): CcliError {
  const url = plan.facts.nats_url ?? fleet.nats_url;
  const hint = isLoopbackAddress(url) ? ' Is that address the same server when it is seen from there?' : '';
  return new CcliError(
    'bootstrap_failed',
    `The fleet has heard nothing of ${node} within ${Math.round(wishes.patience_ms / 1_000)} s. Its node-agent on ${shell.host} runs, and should speak to NATS at ${url}: check that address, the credentials and the prefix.${hint}`,
  );
}
