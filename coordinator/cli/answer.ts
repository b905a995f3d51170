/** Shows an answer while it comes and what is left of it at the end. */
import type { Chunk } from '../../protocol/output.ts';
import { createAssembler } from '../stream/assemble.ts';
import { type Output, safeForTerminal } from './output.ts';
import type { Progress } from './progress.ts';

export interface Answer {
  readonly onChunk: (chunk: Chunk) => void;
  /** @param response the whole answer; undefined when there is none. */
  finish(response: string | undefined): void;
}

/** Text alone, for people and pipes. Nothing is shown after `finish`. */
export function createAnswer(stdout: Output, progress: Progress): Answer {
  const assembler = createAssembler();
  let finished = false;
  const print = (text: string): void => {
    if (text === '') return;
    progress.pause();
    stdout.write(stdout.tty ? safeForTerminal(text) : text);
  };
  const interrupt = (text: string): void => {
    stdout.freshLine();
    progress.note(text);
  };
  return {
    onChunk: chunk => {
      if (finished) return;
      for (const event of assembler.push(chunk)) {
        switch (event.kind) {
          case 'text':
            print(event.text);
            break;
          case 'restart':
            interrupt(`attempt ${event.attempt} starts the answer over:`);
            break;
          case 'gap':
            interrupt('a part of the answer was lost on the way; the whole of it follows at the end');
            break;
        }
      }
    },
    finish(response) {
      finished = true;
      const ending = assembler.finish(response);
      if (ending.kind === 'full') interrupt('the whole answer:');
      print(ending.text);
      stdout.freshLine();
    },
  };
}
