import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadNodeConfig } from '../../node-agent/config.ts';
import { root } from '../support/built.ts';

test.each([
  ['walnut', 'v22.14.0'],
  ['ironwood', 'v22.17.0'],
])('the example for %s is a valid configuration with its agent and Node version', (node, node_version) => {
  const config = loadNodeConfig(join(root, 'deploy', 'examples', `${node}.yaml`), {});
  expect(config.node).toBe(node);
  expect(config.agents).toEqual([
    expect.objectContaining({
      id: `${node}-gemini`,
      agent_type: 'cli_gemini',
      driver: 'acp',
      model: 'gemini-2.5-pro',
      node_version,
      max_concurrent: 2,
      timeout: 300_000,
      tool_policy: 'deny',
      pass_env: ['GEMINI_API_KEY'],
    }),
  ]);
});
