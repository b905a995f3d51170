/** `/mcp`: the Model Context Protocol over streamable HTTP. */
import type { McpEndpoint } from '../../mcp/http.ts';
import type { Door, DoorApp } from '../door.ts';

export function registerMcp(app: DoorApp, door: Door, mcp: McpEndpoint): void {
  app.all('/mcp', async c => {
    return await mcp.handle(c.req.raw, c.get('caller'), () => {
      const leave = door.streamGate.enter(c.get('client'));
      const { outgoing } = c.env;
      if (outgoing === undefined || outgoing.closed) leave();
      else outgoing.once('close', leave);
    });
  });
}
