/** The MCP server of a fleet, the same over every transport and in every revision of the protocol. */
import { McpServer } from '@modelcontextprotocol/server';
import { VERSION } from '../../protocol/daemon/version.ts';
import type { McpDoor } from './door.ts';
import { INSTRUCTIONS } from './instructions.ts';
import { addResources } from './resources.ts';
import { addSubscriptions } from './subscriptions.ts';
import { addTool } from './tool.ts';
import { agentHealthTool } from './tools/agent-health.ts';
import { cancelTaskTool } from './tools/cancel-task.ts';
import { coordinateTool } from './tools/coordinate-multi-agent-task.ts';
import { discoverAgentsTool } from './tools/discover-agents.ts';
import { executeTaskOnAgentTool } from './tools/execute-task-on-agent.ts';
import { getTaskTool } from './tools/get-task.ts';
import { listTasksTool } from './tools/list-tasks.ts';
import { runTaskTool } from './tools/run-task.ts';
import { submitTaskTool } from './tools/submit-task.ts';
import { createWatches } from './watches.ts';

/** One for each connection or session; of later revisions over HTTP, one for each request. */
export function createServer(door: McpDoor): McpServer {
  const server = new McpServer(
    { name: 'ccli', title: 'ccli: a fleet of AI agents', version: VERSION },
    {
      instructions: INSTRUCTIONS,
      // What is offered never changes while a server runs.
      capabilities: { tools: { listChanged: false }, resources: { subscribe: true, listChanged: false } },
    },
  );
  addTool(server, door, discoverAgentsTool);
  addTool(server, door, runTaskTool);
  addTool(server, door, executeTaskOnAgentTool);
  addTool(server, door, submitTaskTool);
  addTool(server, door, getTaskTool);
  addTool(server, door, listTasksTool);
  addTool(server, door, cancelTaskTool);
  addTool(server, door, coordinateTool);
  addTool(server, door, agentHealthTool);
  addResources(server, door);
  const watches = createWatches(door, uri => {
    server.server.sendResourceUpdated({ uri }).catch(() => {
      // The connection is gone, and with it whoever wanted to know.
    });
  });
  addSubscriptions(server, door, watches);
  server.server.onclose = watches.close;
  return server;
}
