/**
 * Stands in for a node's daemon that is not there: the same node without NATS, on the same state directory. It goes when
 * nobody has a line to it and nothing runs, or when a daemon starts and asks it to.
 */
import { type Log } from '../../protocol/daemon/log.ts';
import type { NodeConfig } from '../config.ts';
import { type RunningNode, startNode } from '../node.ts';

export interface StandIn extends Pick<RunningNode, 'instance_id' | 'stop'> {
  /** Settles when it has gone, whatever made it. */
  readonly ended: Promise<void>;
}

interface StandInOptions {
  readonly config: NodeConfig;
  readonly log: Log;
  /** How long it stays with nothing to do. */
  readonly linger_ms?: number;
}

const LINGER_MS = 10_000;
const LOOK_MS = 200;

/** @throws CcliError `state_in_use` when something works there already; whatever a node cannot start for */
export async function startStandIn({ config, log, linger_ms = LINGER_MS }: StandInOptions): Promise<StandIn> {
  const node = await startNode(config, log, { role: 'stand_in' });
  log.info('standing_in', { node: config.node, pid: process.pid });
  let left = (): void => undefined;
  const ended = new Promise<void>(resolve => {
    left = resolve;
  });
  let idle_since = performance.now();
  const look = setInterval(
    () => {
      const now = performance.now();
      if (node.busy) idle_since = now;
      else if (now - idle_since >= linger_ms) {
        log.info('nothing_to_do');
        void stop();
      }
    },
    Math.min(LOOK_MS, linger_ms),
  );
  const stop = async (): Promise<void> => {
    clearInterval(look);
    await node.stop();
    left();
  };
  void node.windUpAsked.then(async () => {
    log.info('making_way');
    await node.finish();
    await stop();
  });
  return { instance_id: node.instance_id, ended, stop };
}
