/** Cuts a CLI's stdout into the events it prints, one JSON object a line. */
import { CcliError } from '../../../protocol/errors.ts';
import { type StreamEvent, StreamEventSchema } from '../../core/evidence-stream.ts';
import { parseJson } from '../../core/json-text.ts';

export interface StreamJsonReader {
  /** @throws CcliError `cli_garbled`: a line is longer than any event. */
  readonly push: (text: string) => void;
  /** The last line may lack its line end. */
  end(): void;
  /** Lines that were no events. */
  readonly garbled: number;
}

export function createStreamJsonReader(
  onEvent: (event: StreamEvent) => void,
  max_line_chars: number,
): StreamJsonReader {
  let parts: string[] = [];
  let chars = 0;
  let garbled = 0;
  const take = (line: string): void => {
    if (line.trim() === '') return;
    const event = StreamEventSchema.safeParse(parseJson(line)).data;
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
        chars = 0;
      }
      if (last === '') return;
      chars += last.length;
      if (chars > max_line_chars)
        throw new CcliError(
          'cli_garbled',
          `The CLI printed a line of more than ${max_line_chars} characters; check its version on the node.`,
        );
      parts.push(last);
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
