import { createHash } from 'node:crypto';

/** Tells one prompt from another in a file that must not hold either. */
export const digest = (prompt: string): string =>
  createHash('sha256').update(prompt).digest('hex').slice(0, 16);
