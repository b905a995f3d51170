/** A fleet with two agents, and every way to reach it over MCP. */
import { scriptedAgent, type TestFleet, testFleet } from '../../../support/fleet.ts';
import { connectClient, KINDS, type McpClient, type Place } from './clients.ts';

export const TRANSPORTS = ['stdio', 'http'] as const;

export const WAYS = TRANSPORTS.flatMap(transport => KINDS.map(kind => ({ transport, kind })));
export type Way = (typeof WAYS)[number];

export async function mcpFleet(): Promise<TestFleet> {
  const fleet = await testFleet({ http: { enabled: true } });
  await fleet.startNode({
    agents: [
      scriptedAgent('walnut-echo', { specialty: ['general_ai'], max_concurrent: 4 }),
      scriptedAgent('walnut-second', { specialty: ['tester'], max_concurrent: 4 }),
    ],
  });
  await fleet.agentReady('walnut-echo');
  await fleet.agentReady('walnut-second');
  return fleet;
}

export function placeOf(fleet: TestFleet, transport: Way['transport']): Place {
  if (transport === 'stdio') return { nats: fleet.nats.url };
  const { http_url } = fleet.coordinator;
  if (http_url === undefined) throw new Error('the fleet has no HTTP door');
  return { url: `${http_url}/mcp` };
}

export const connectTo = (fleet: TestFleet, { transport, kind }: Way): Promise<McpClient> =>
  connectClient(kind, placeOf(fleet, transport));
