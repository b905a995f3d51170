/**
 * What a run leaves behind. Every process started below the run inherits a mark in its environment, and all temporary
 * files go below one directory; after the run, nothing marked may live and the directory must be empty.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const MARK = 'CCLI_TEST_RUN';
/** What has been told to end may take this long about it. */
const PATIENCE_MS = 5_000;

interface ProcessLine {
  readonly pid: number;
  readonly ppid: number;
  readonly text: string;
}

export interface LeakCheck {
  /** One line for each process or path that is still there, after removing it. */
  findAndRemove(): Promise<string[]>;
}

/** Call it before anything is started: it sets TMPDIR and the mark, which children inherit. */
export function startLeakCheck(): LeakCheck {
  const mark = `${MARK}=${randomUUID()}`;
  const base = mkdtempSync(join(tmpdir(), 'ccli-test-'));
  process.env[MARK] = mark.slice(MARK.length + 1);
  process.env['TMPDIR'] = base;
  return {
    async findAndRemove() {
      const processes = await untilNone(() => marked(mark, base));
      for (const { pid } of processes) kill(pid);
      const paths = readdirSync(base);
      const contents = new Map(paths.map(path => [path, contentsOf(join(base, path))]));
      rmSync(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
      return [
        ...processes.map(({ pid, text }) => `process ${pid}: ${text.slice(0, 200)}`),
        ...paths.map(path => `temporary ${join(base, path)}: ${contents.get(path) ?? ''}`),
      ];
    },
  };
}

/** What is in a left-over directory tells whose it was. */
function contentsOf(path: string): string {
  try {
    return readdirSync(path, { recursive: true }).map(String).slice(0, 20).join(', ');
  } catch {
    return 'a file';
  }
}

async function untilNone(look: () => ProcessLine[]): Promise<ProcessLine[]> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = look();
    if (found.length === 0 || performance.now() > end) return found;
    await delay(100);
  }
}

/** Vitest's own workers are our direct children, and still there when the check runs. */
const marked = (mark: string, base: string): ProcessLine[] =>
  (existsSync('/proc/self/environ') ? fromProc(mark, base) : fromPs(base)).filter(
    ({ pid, ppid }) => pid !== process.pid && ppid !== process.pid,
  );

function fromProc(mark: string, base: string): ProcessLine[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const text = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        // A tool's environment is an allow-listed one without the mark, but its home is below our directory.
        const environ = readFileSync(`/proc/${name}/environ`, 'utf8');
        const ours = text.includes(base) || environ.includes(base) || environ.split('\0').includes(mark);
        // Z: it has ended, and only its parent has not looked yet.
        return ours && state !== 'Z' ? [{ pid: Number(name), ppid: Number(ppid), text }] : [];
      } catch {
        // It ended while we looked, or belongs to somebody else.
        return [];
      }
    });
}

/** Where there is no /proc, only those that name our directory can be told from others. */
function fromPs(base: string): ProcessLine[] {
  return execFileSync('ps', ['-axo', 'pid=,ppid=,command='], { encoding: 'utf8' })
    .split('\n')
    .flatMap(line => {
      const [, pid, ppid, text] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return text?.includes(base) === true ? [{ pid: Number(pid), ppid: Number(ppid), text }] : [];
    });
}

/** Processes that name a directory in their arguments or environment, once those that are just ending have ended. */
export async function processesMentioning(directory: string): Promise<string[]> {
  const found = await untilNone(() => marked(`${MARK}=none`, directory));
  return found.map(({ pid, text }) => `${pid}: ${text}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended on its own meanwhile.
  }
}
