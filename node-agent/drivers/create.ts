/** Which driver serves which agent. */
import type { Log } from '../../protocol/daemon/log.ts';
import type { AgentConfig } from '../agent-config/agent.ts';
import type { BreakerLimits } from '../core/breaker.ts';
import { type AcpTuning, createAcpDriver } from './acp/driver.ts';
import type { Driver } from './driver.ts';
import { createFailoverDriver } from './failover.ts';
import { createColdGeminiDriver } from './headless/gemini.ts';
import { createGenericDriver } from './headless/generic.ts';
import type { DriverConfig } from './launch.ts';
import { createOllamaDriver } from './ollama/driver.ts';

export interface Tuning extends AcpTuning {
  readonly breaker?: BreakerLimits;
}

interface CreateOptions {
  readonly agent: AgentConfig;
  readonly config: DriverConfig;
  readonly log: Log;
}

export function createDriver(
  { agent, config, log }: CreateOptions,
  { breaker, ...tuning }: Tuning = {},
): Driver {
  if (agent.agent_type === 'ollama') return createOllamaDriver({ agent, log });
  const options = { agent, config, log };
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
