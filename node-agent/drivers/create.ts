/** Which driver serves which agent. */
import { createAcpDriver } from './acp/driver.ts';
import type { Driver } from './driver.ts';
import { createColdGeminiDriver } from './headless/gemini.ts';
import { createGenericDriver } from './headless/generic.ts';
import type { DriverOptions } from './launch.ts';

export function createDriver(options: DriverOptions): Driver {
  if (options.agent.driver === 'acp') return createAcpDriver(options);
  return options.agent.agent_type === 'cli_gemini'
    ? createColdGeminiDriver(options)
    : createGenericDriver(options);
}
