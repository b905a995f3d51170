/** `resources/subscribe` of the 2025 revisions; later ones listen (`listens.ts`). */
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
} from '@modelcontextprotocol/server';
import { contextFor, type McpDoor } from './door.ts';
import { resourceOf } from './resource-uri.ts';
import { reading } from './resources.ts';
import type { Watches } from './watches.ts';

export const MOST_SUBSCRIPTIONS = 256;

export function addSubscriptions(server: McpServer, door: McpDoor, watches: Watches): void {
  const held = new Map<string, () => void>();
  server.server.setRequestHandler('resources/subscribe', async ({ params: { uri } }, { mcpReq }) => {
    if (held.has(uri)) return {};
    if (held.size >= MOST_SUBSCRIPTIONS)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `No more than ${MOST_SUBSCRIPTIONS} resources can be subscribed to; unsubscribe from one first.`,
      );
    const resource = resourceOf(uri);
    if (resource === undefined) throw new ResourceNotFoundError(uri);
    if (resource.kind !== 'task') {
      held.set(uri, watches.hold(uri));
      return {};
    }
    const { task_id } = resource;
    const { status } = await reading(door, new URL(uri), () =>
      door.operations.get({ task_id }, contextFor(door, mcpReq.signal)),
    );
    // What changes from here on is told.
    if (!held.has(uri)) held.set(uri, watches.hold(uri, status));
    return {};
  });
  server.server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => {
    held.get(uri)?.();
    held.delete(uri);
    return {};
  });
}
