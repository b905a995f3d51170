/** Drivers of Ollama agents for tests: a real configuration, closed when the test has finished. */
import { onTestFinished } from 'vitest';
import { OllamaAgentConfigSchema } from '../../../../node-agent/agent-config/ollama.ts';
import type { Driver } from '../../../../node-agent/drivers/driver.ts';
import { createOllamaDriver } from '../../../../node-agent/drivers/ollama/driver.ts';
import { createLog } from '../../../../protocol/daemon/log.ts';

/** `agent` is as in a node's file. */
export function ollamaDriver(agent: Readonly<Record<string, unknown>>): Driver {
  const driver = createOllamaDriver({
    agent: OllamaAgentConfigSchema.parse({ id: 'one', agent_type: 'ollama', model: 'llama3', ...agent }),
    log: createLog({ level: 'silent', name: 'test' }),
  });
  onTestFinished(() => driver.close());
  return driver;
}

/** A signal that nothing aborts. */
export const patient = (): AbortSignal => new AbortController().signal;
