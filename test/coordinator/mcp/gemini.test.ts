/** The real Gemini CLI as a client of the MCP server, with a scripted model behind it. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { built } from '../../support/built.ts';
import { type Answer, startGeminiStub } from '../../support/gemini-stub.ts';
import { plainEnvironment } from '../../support/plain-environment.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { mcpFleet, placeOf } from './support/places.ts';

const GEMINI = join(
  dirname(createRequire(import.meta.url).resolve('@google/gemini-cli/package.json')),
  'bundle',
  'gemini.js',
);

/** Runs it once with a server in its settings; what it printed. */
async function gemini(server: Record<string, unknown>, answer: Answer) {
  const stub = await startGeminiStub({ answer });
  onTestFinished(() => stub.close());
  const home = await temporaryDirectory();
  const cwd = await temporaryDirectory();
  await mkdir(join(home, '.gemini'));
  const settings = {
    general: { enableAutoUpdate: false, maxAttempts: 1, retryFetchErrors: false },
    privacy: { usageStatisticsEnabled: false },
    telemetry: { enabled: false },
    security: { auth: { selectedType: 'gemini-api-key' } },
    mcpServers: { ccli: { ...server, trust: true } },
  };
  await writeFile(join(home, '.gemini', 'settings.json'), JSON.stringify(settings));
  const running = promisify(execFile)(
    process.execPath,
    [GEMINI, '--model', 'gemini-2.5-flash', '--allowed-mcp-server-names', 'ccli', '--output-format', 'json'],
    {
      cwd,
      env: {
        ...plainEnvironment(),
        ...stub.environment,
        GEMINI_CLI_HOME: home,
        GEMINI_CLI_NO_RELAUNCH: 'true',
        GEMINI_CLI_TRUST_WORKSPACE: 'true',
        TERM: 'xterm-256color',
      },
    },
  );
  running.child.stdin?.end('Ask the fleet.');
  const { stdout } = await running;
  return { response: String((JSON.parse(stdout) as { response: unknown }).response), stub };
}

/** The model lists the agents, has one work, and tells what came of it. */
const model: Answer = ({ tool_results }) => {
  const [result] = tool_results;
  if (result === undefined) return { call: { name: 'mcp_ccli_discover_agents', args: { available: true } } };
  if (result.includes('mcp_ccli_discover_agents'))
    return {
      call: {
        name: 'mcp_ccli_run_task',
        args: { prompt: 'from gemini', specialty: 'tester', wait_for_previous: true },
      },
    };
  return result.includes('echo: from gemini')
    ? 'The fleet says: echo: from gemini'
    : `No answer in ${result}`;
};

test.each(['stdio', 'http'] as const)('Gemini CLI gives a task to the fleet over %s', async transport => {
  const fleet = await mcpFleet();
  const place = placeOf(fleet, transport);
  const server =
    'url' in place
      ? { httpUrl: place.url }
      : {
          command: process.execPath,
          args: [built('coordinator/cli/main.ts'), 'mcp', '--nats', fleet.nats.url],
          env: plainEnvironment(),
        };
  const { response, stub } = await gemini(server, model);
  expect(response).toBe('The fleet says: echo: from gemini');
  expect(stub.requests[0]?.tools).toEqual(
    expect.arrayContaining([
      'mcp_ccli_run_task',
      'mcp_ccli_get_task',
      'mcp_ccli_coordinate_multi_agent_task',
    ]),
  );
  const found = stub.requests.flatMap(({ tool_results }) => tool_results);
  expect(found[0]).toContain('walnut-second: cli_generic on walnut');
  const { tasks } = await fleet.call('list', {});
  expect(tasks).toMatchObject([{ status: 'completed', agent_id: 'walnut-second' }]);
});
