/** Which driver serves which agent. */
import { errorFields } from '../../protocol/daemon/log.ts';
import { sweepLeftovers } from '../process/leftovers.ts';
import { createAcpDriver } from './acp/driver.ts';
import type { Driver } from './driver.ts';
import { createColdGeminiDriver } from './headless/gemini.ts';
import { createGenericDriver } from './headless/generic.ts';
import type { DriverOptions } from './launch.ts';

export function createDriver(options: DriverOptions): Driver {
  if (options.agent.driver === 'acp') return afterSweep(createAcpDriver(options), options);
  return afterSweep(
    options.agent.agent_type === 'cli_gemini'
      ? createColdGeminiDriver(options)
      : createGenericDriver(options),
    options,
  );
}

/** Before its first work, a driver clears away what the daemon's last life left of the agent. */
function afterSweep(driver: Driver, { agent, config, log }: DriverOptions): Driver {
  let sweeping: Promise<void> | undefined;
  const sweep = async (): Promise<void> => {
    try {
      const swept = await sweepLeftovers(agent.id, config.state_dir);
      if (swept.removed > 0) log.warn('leftovers_removed', swept);
    } catch (error) {
      // They take up room, and harm nobody.
      log.warn('leftovers_remain', errorFields(error));
    }
  };
  const ready = (): Promise<void> => (sweeping ??= sweep());
  return {
    get warm() {
      return driver.warm;
    },
    async probe(signal) {
      await ready();
      return driver.probe(signal);
    },
    async run(task, callbacks, signal) {
      await ready();
      return driver.run(task, callbacks, signal);
    },
    async close() {
      await sweeping;
      await driver.close();
    },
  };
}
