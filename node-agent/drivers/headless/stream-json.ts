/** Cuts a CLI's stdout into the events it prints, one JSON object a line. */
import { type StreamEvent, StreamEventSchema } from '../../core/evidence-stream.ts';

export interface StreamJsonReader {
  push(text: string): void;
  /** The last line may lack its line end. */
  end(): void;
  /** Lines that were no events. */
  readonly garbled: number;
}

export function createStreamJsonReader(onEvent: (event: StreamEvent) => void): StreamJsonReader {
  let parts: string[] = [];
  let garbled = 0;
  const take = (line: string): void => {
    if (line.trim() === '') return;
    const event = parse(line);
    if (event === undefined) garbled += 1;
    else onEvent(event);
  };
  return {
    push(text) {
      // Line feeds only: JSON may hold the other line separators as they are.
      const lines = text.split('\n');
      const last = lines.pop() ?? '';
      for (const line of lines) {
        take(parts.join('') + line);
        parts = [];
      }
      if (last !== '') parts.push(last);
    },
    end() {
      take(parts.join(''));
      parts = [];
    },
    get garbled() {
      return garbled;
    },
  };
}

function parse(line: string): StreamEvent | undefined {
  try {
    return StreamEventSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
