/** Carries out the planned faults. Those of one target follow each other; those of different targets overlap. */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Target, WorldFault } from './kinds.ts';
import type { PlannedFault } from './schedule.ts';
import type { Member, World } from './world.ts';

/** Times are of the true clock. */
export interface InjectedFault {
  readonly kind: WorldFault;
  readonly target: Target;
  readonly from_ms: number;
  readonly to_ms: number;
}

/** Settles when the last fault is over and everything runs again. */
export async function storm(
  world: World,
  faults: readonly PlannedFault[],
  signal: AbortSignal,
): Promise<InjectedFault[]> {
  const began = performance.now();
  const injected: InjectedFault[] = [];
  const queues = new Map<Target, Promise<void>>();
  for (const fault of faults) {
    const before = fault.at_ms - (performance.now() - began);
    if (before > 0) await delay(before, undefined, { signal });
    const inject = async (): Promise<void> => {
      if (signal.aborted) return;
      const from_ms = Date.now();
      await carryOut(world, fault);
      injected.push({ kind: fault.kind, target: fault.target, from_ms, to_ms: Date.now() });
    };
    queues.set(fault.target, (queues.get(fault.target) ?? Promise.resolve()).then(inject));
  }
  await Promise.all(queues.values());
  return injected.sort((a, b) => a.from_ms - b.from_ms);
}

async function carryOut({ server, members }: World, fault: PlannedFault): Promise<void> {
  const { kind, target, lasts_ms } = fault;
  switch (kind) {
    case 'nats_killed':
      await server.kill(lasts_ms);
      return;
    case 'nats_restarted':
      await server.restart(lasts_ms);
      return;
    case 'nats_paused':
      server.pause();
      await delay(lasts_ms);
      server.resume();
      return;
    default: {
      const member = members.get(target);
      if (member === undefined) throw new Error(`${target} cannot have the fault ${kind}`);
      await disturb(member, fault);
    }
  }
}

async function disturb({ daemon, proxy }: Member, fault: PlannedFault): Promise<void> {
  const { kind, lasts_ms, end } = fault;
  switch (kind) {
    case 'coordinator_killed':
    case 'node_killed':
      await daemon.kill(lasts_ms);
      return;
    case 'coordinator_paused':
    case 'node_paused':
      daemon.pause();
      await delay(lasts_ms);
      daemon.resume();
      return;
    case 'coordinator_cut_off':
    case 'node_cut_off':
      proxy.partition();
      await delay(lasts_ms);
      proxy.heal(end);
      return;
    case 'acks_lost':
      proxy.holdReplies();
      await delay(lasts_ms);
      proxy.releaseReplies(end);
      return;
    case 'clock_stepped':
      daemon.pause();
      await writeFile(daemon.clock_file, String(fault.clock_offset_ms));
      await delay(lasts_ms);
      daemon.resume();
      return;
    case 'nats_killed':
    case 'nats_restarted':
    case 'nats_paused':
      throw new Error(`${kind} is no fault of a daemon`);
  }
}
