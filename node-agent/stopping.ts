/** How a node-agent stops: nothing new, what runs ends or is handed back, results go out, everything is closed. */
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import type { Log } from '../protocol/daemon/log.ts';
import { withinLimit } from '../protocol/daemon/within-limit.ts';
import type { Attempts } from './attempts.ts';
import type { Beacon } from './beacon.ts';
import type { Drain } from './drain.ts';

/** How long a stopping daemon tries to hand its last results to the stream; what is left stays on disk. */
const FLUSH_TIMEOUT_MS = 5_000;
/** How long a stopping daemon waits for the server to confirm that it takes no more requests. */
const SERVICE_TIMEOUT_MS = 1_000;

interface StoppingOptions {
  readonly drain: Pick<Drain, 'stop'>;
  readonly drain_timeout_ms: number;
  readonly attempts: Attempts;
  readonly beacon: Pick<Beacon, 'changed' | 'send'>;
  /** Whether results may still find a way out. */
  readonly hopeful: () => boolean;
  readonly service: { stop(): Promise<unknown> };
  /** From now on the adverts say that this daemon goes. */
  readonly leave: () => void;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

export async function shutDown(options: StoppingOptions): Promise<void> {
  const { drain, attempts, beacon, log } = options;
  drain.stop();
  log.info('draining');
  beacon.changed();
  const ended = await withinLimit(attempts.idle(), options.drain_timeout_ms);
  if (!ended) {
    log.warn('handing_back', { running: attempts.live().length });
    await attempts.handBack();
  }
  if (options.hopeful()) await withinLimit(attempts.flushed(), FLUSH_TIMEOUT_MS);
  if (attempts.unstored > 0) log.error('results_lost', { results: attempts.unstored });
  if (attempts.pending > 0) log.warn('results_left_on_disk', { results: attempts.pending });
  if (!(await withinLimit(options.service.stop(), SERVICE_TIMEOUT_MS)))
    log.warn('closer_late', { what: 'service' });
  options.leave();
  beacon.send();
  await options.lifecycle.stop();
  log.info('stopped');
}
