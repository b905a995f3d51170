/** How long one prompt took, from when its text was in hand. */
export interface Timing {
  readonly first_chunk_ms: number;
  readonly end_ms: number;
}
