/** A program in a real terminal, as a person would run it. */
import { type IPty, spawn } from 'node-pty';
import { onTestFinished } from 'vitest';
import { waitFor } from './wait.ts';

export interface Terminal {
  readonly pid: number;
  /** All that was printed, with carriage returns and colours taken out. */
  readonly screen: () => string;
  readonly shows: (text: string) => Promise<void>;
  readonly press: (keys: string) => void;
  readonly ended: Promise<number>;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with one
const ESCAPES = /\u001b\[[0-9;?]*[a-zA-Z]|\r/g;

/** Ended when the test that asks for it has finished. */
export function openTerminal(
  file: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Terminal {
  const pty: IPty = spawn(file, [...args], {
    cols: 120,
    rows: 40,
    env: { ...environment, TERM: 'xterm-256color' },
  });
  let printed = '';
  pty.onData(text => {
    printed += text;
  });
  let over = false;
  const ended = new Promise<number>(resolve => {
    pty.onExit(({ exitCode }) => {
      over = true;
      resolve(exitCode);
    });
  });
  onTestFinished(async () => {
    if (!over) pty.kill('SIGTERM');
    await ended;
  });
  const screen = (): string => printed.replace(ESCAPES, '');
  return {
    pid: pty.pid,
    screen,
    async shows(text) {
      await waitFor(() => screen().includes(text), { what: `"${text}" on the terminal:\n${screen()}` });
    },
    press: keys => {
      pty.write(keys);
    },
    ended,
  };
}
