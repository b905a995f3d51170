/** What clients of the 2026 revision listen to: `subscriptions/listen`, looked into on its way to the SDK. */
import type { ServerEventBus } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { MOST_SUBSCRIPTIONS } from './subscriptions.ts';
import type { Watches } from './watches.ts';

const ListenSchema = z.object({
  id: z.union([z.string(), z.number()]),
  method: z.literal('subscriptions/listen'),
  params: z.object({ notifications: z.object({ resourceSubscriptions: z.array(z.string()).optional() }) }),
});

const CancelledSchema = z.object({
  method: z.literal('notifications/cancelled'),
  params: z.object({ requestId: z.union([z.string(), z.number()]) }),
});

export interface Listen {
  readonly id: string | number;
  /** Addresses of resources whose changes are wanted. */
  readonly uris: readonly string[];
}

/** Undefined for every other message, and for one that the SDK will refuse. */
export function listenOf(message: unknown): Listen | undefined {
  const listen = ListenSchema.safeParse(message);
  if (!listen.success) return undefined;
  const { resourceSubscriptions = [] } = listen.data.params.notifications;
  return { id: listen.data.id, uris: [...new Set(resourceSubscriptions)].slice(0, MOST_SUBSCRIPTIONS) };
}

/** The request that is cancelled. */
export function cancelledId(message: unknown): string | number | undefined {
  const cancelled = CancelledSchema.safeParse(message);
  return cancelled.success ? cancelled.data.params.requestId : undefined;
}

const AnswerSchema = z.union([
  z.object({
    id: z.union([z.string(), z.number()]),
    result: z.unknown().refine(result => result !== undefined),
  }),
  z.object({ id: z.union([z.string(), z.number()]), error: z.object({}) }),
]);

/** The request that is answered. */
export function answeredId(message: unknown): string | number | undefined {
  const answer = AnswerSchema.safeParse(message);
  return answer.success ? answer.data.id : undefined;
}

export const holdAll = (watches: Watches, uris: readonly string[]): (() => void) => {
  const releases = uris.map(uri => watches.hold(uri));
  return () => {
    for (const release of releases) release();
  };
};

/** Where the SDK gets the changes for one stream: from watches that live as long as its interest does. */
export function listenBus(open: (onChange: (uri: string) => void) => () => void): ServerEventBus {
  return {
    publish: () => undefined,
    subscribe: listener =>
      open(uri => {
        listener({ kind: 'resource_updated', uri });
      }),
  };
}
