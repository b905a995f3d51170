/** `/v1`: what clients of the OpenAI API call. */
import { createCheckThread } from '../../structured/check-thread.ts';
import type { Door, DoorApp } from '../door.ts';
import { registerChat } from './chat.ts';
import { registerModels } from './models.ts';
import { registerResponses } from './responses.ts';

export function registerOpenAi(app: DoorApp, door: Door): void {
  registerModels(app, door);
  const checks = createCheckThread();
  door.signal.addEventListener('abort', checks.close, { once: true });
  registerChat(app, { door, checks });
  registerResponses(app, { door, checks });
}
