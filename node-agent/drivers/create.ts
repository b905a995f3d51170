/** Which driver serves which agent. */
import type { BreakerLimits } from '../core/breaker.ts';
import { type AcpTuning, createAcpDriver } from './acp/driver.ts';
import type { Driver } from './driver.ts';
import { createFailoverDriver } from './failover.ts';
import { createColdGeminiDriver } from './headless/gemini.ts';
import { createGenericDriver } from './headless/generic.ts';
import type { DriverOptions } from './launch.ts';

export interface Tuning extends AcpTuning {
  readonly breaker?: BreakerLimits;
}

export function createDriver(options: DriverOptions, { breaker, ...tuning }: Tuning = {}): Driver {
  const { agent, log } = options;
  const gemini = agent.agent_type === 'cli_gemini';
  if (agent.driver !== 'acp') return gemini ? createColdGeminiDriver(options) : createGenericDriver(options);
  return createFailoverDriver({
    log,
    makeWarm: onCrash => createAcpDriver({ ...options, ...tuning, onCrash }),
    // Other CLIs speak the protocol through adapters that have no print mode.
    cold: gemini ? createColdGeminiDriver(options) : undefined,
    limits: breaker,
  });
}
