/** A chunk as it came over the wire. */
import { decode } from '../../protocol/codec.ts';
import { type Chunk, ChunkSchema } from '../../protocol/output.ts';

/** Undefined for what is none of this task's: it is passed over, since the final answer is what counts. */
export function readChunk(data: Uint8Array, task_id: string): Chunk | undefined {
  try {
    const chunk = decode(ChunkSchema, data);
    return chunk.task_id === task_id ? chunk : undefined;
  } catch {
    return undefined;
  }
}
