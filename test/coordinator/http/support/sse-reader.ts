/** Reads server-sent events as a client does. */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { onTestFinished } from 'vitest';

export interface SseReader {
  readonly response: Response;
  /** Undefined at the end of the stream. */
  readonly next: () => Promise<EventSourceMessage | undefined>;
  /** Up to and with the first of this name. */
  readonly until: (event: string) => Promise<EventSourceMessage[]>;
  /** What is left, to the end. */
  readonly rest: () => Promise<EventSourceMessage[]>;
  /** Breaks the connection off. */
  readonly hangUp: () => void;
}

export async function readEvents(url: string, headers: Record<string, string> = {}): Promise<SseReader> {
  const controller = new AbortController();
  const hangUp = (): void => {
    controller.abort();
  };
  onTestFinished(hangUp);
  const response = await fetch(url, { headers, signal: controller.signal });
  const messages = parsed(response);
  const next = async (): Promise<EventSourceMessage | undefined> => {
    const { value, done } = await messages.next();
    return done === true ? undefined : value;
  };
  const collect = async (enough: (message: EventSourceMessage) => boolean): Promise<EventSourceMessage[]> => {
    const found: EventSourceMessage[] = [];
    for (;;) {
      const message = await next();
      if (message === undefined) return found;
      found.push(message);
      if (enough(message)) return found;
    }
  };
  return {
    response,
    next,
    hangUp,
    until: event => collect(message => message.event === event),
    rest: () => collect(() => false),
  };
}

async function* parsed(response: Response): AsyncGenerator<EventSourceMessage, void> {
  const arrived: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: message => arrived.push(message) });
  const decoder = new TextDecoder();
  const body: ReadableStream<Uint8Array> | null = response.body;
  if (body === null) return;
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* arrived.splice(0);
  }
}

/** What the events say of the answer, put together the way a reader does. */
export function textOf(messages: readonly EventSourceMessage[]): string {
  let text = '';
  for (const { event, data } of messages) {
    if (event === 'restart') text = '';
    if (event === 'chunk') text += (JSON.parse(data) as { text: string }).text;
  }
  return text;
}
