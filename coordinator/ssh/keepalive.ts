/**
 * Asks the other side now and then whether it is still there.
 *
 * The library's own way counts only answers to its questions, which wait behind everything that is being sent, and its
 * timer keeps an idle process from ending. Here whatever arrives counts.
 */
import type { Link } from './link.ts';

/** Silent for this many intervals: gone. */
const SILENT_INTERVALS = 3;

/** @returns ends it */
export function keepAlive(
  { ping, socket, writable }: Link,
  interval_ms: number,
  onSilence: () => void,
): () => void {
  let heard_bytes = socket.bytesRead;
  let silent = 0;
  const timer = setInterval(() => {
    const arrived = socket.bytesRead !== heard_bytes;
    heard_bytes = socket.bytesRead;
    silent = arrived ? 0 : silent + 1;
    if (silent > SILENT_INTERVALS) {
      clearInterval(timer);
      onSilence();
      return;
    }
    if (!arrived && writable()) ping(() => undefined);
  }, interval_ms);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
