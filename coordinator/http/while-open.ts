/** Waiting for the end of a task, for no longer than the door is open. */
import type { CallContext } from '../caller.ts';
import type { Door } from './door.ts';

/** Whoever waits is answered with the task as it stands when the door closes. */
export async function whileOpen<T>(
  { signal }: Door,
  context: CallContext,
  work: (context: CallContext) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort();
  };
  const both = [signal, context.signal];
  for (const one of both) one.addEventListener('abort', stop);
  if (both.some(one => one.aborted)) stop();
  try {
    return await work({ ...context, signal: controller.signal });
  } finally {
    for (const one of both) one.removeEventListener('abort', stop);
  }
}
