/** The answer for programs: one JSON document a line, told apart by `event`. */

import type { TaskView } from '../../../protocol/operation.ts';
import type { Chunk } from '../../../protocol/output.ts';
import { createAssembler } from '../../stream/assemble.ts';

interface JsonAnswer {
  onChunk(chunk: Chunk): void;
  /** The last line: the whole task, its answer in it. */
  end(task: TaskView): void;
}

export function createJsonAnswer(out: { json(document: unknown): void }): JsonAnswer {
  const assembler = createAssembler();
  let ended = false;
  return {
    onChunk(chunk) {
      if (ended) return;
      for (const { kind, ...rest } of assembler.push(chunk)) out.json({ event: kind, ...rest });
    },
    end(task) {
      ended = true;
      out.json({ event: 'end', task });
    },
  };
}
