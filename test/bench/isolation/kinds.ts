/** CLI tools at their worst: what each is told to do, and what ends it. Every side with trouble runs the same. */
import { join } from 'node:path';
import { root } from '../../support/built.ts';

interface Kind {
  readonly prompt: string;
  /** After this it is stopped. */
  readonly timeout_ms?: number;
  /** How its process ends when nothing but the kill ladder stops it: exit code or last signal. */
  readonly ends: number | NodeJS.Signals;
}

export const SCRIPTED = join(root, 'test', 'support', 'tools', 'scripted.mjs');
/** A tool that prints more is stopped. */
export const MAX_OUTPUT_BYTES = 1024 * 1024;

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

/** What a tool does that is well: one that floods otherwise prints nearly as much as it may. */
export const goodPrompt = (agent_id: string): string =>
  agent_id === 'bench-flood' ? script({ say: 'x'.repeat(100_000), repeat: 10 }) : script({ say: 'done' });

export const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['bench-crash', { prompt: script({ say: 'half', exit: 3, stderr: 'boom' }), ends: 3 }],
  ['bench-hang', { prompt: script({ hang: true }), timeout_ms: 1_000, ends: 'SIGTERM' }],
  [
    'bench-stubborn',
    { prompt: script({ hang: true, ignore_term: true }), timeout_ms: 1_000, ends: 'SIGKILL' },
  ],
  ['bench-flood', { prompt: script({ say: 'x'.repeat(100_000), repeat: 1_000 }), ends: 'SIGTERM' }],
]);
