/** One of our daemons as systemd would keep it: started again whenever it ends, until it is stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from '../support/built.ts';

export interface DaemonOptions {
  readonly name: string;
  readonly program: string;
  readonly config_file: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly log_file: string;
  /** Holds by how much its clock is off. */
  readonly clock_file: string;
}

const RESTART_MS = 500;
const CLOCK = join(root, 'test', 'support', 'clock-step.mjs');

export class Daemon {
  readonly name: string;
  readonly clock_file: string;
  /** Ends that nobody brought about, in words. */
  readonly surprises: string[] = [];
  private readonly options: DaemonOptions;
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private wanted = false;

  constructor(options: DaemonOptions) {
    this.options = options;
    this.name = options.name;
    this.clock_file = options.clock_file;
  }

  start(): void {
    const { name, program, config_file, environment, log_file, clock_file } = this.options;
    this.wanted = true;
    const log = openSync(log_file, 'a', 0o600);
    const args = ['--import', CLOCK, program, '--config', config_file, '--exit-with-parent'];
    const child = spawn(process.execPath, args, {
      // A Ctrl-C at the terminal is for the suite alone.
      detached: true,
      env: { ...environment, CLOCK_OFFSET_FILE: clock_file },
      stdio: ['pipe', log, log],
    });
    closeSync(log);
    child.stdin?.on('error', () => undefined);
    this.child = child;
    this.ended = once(child, 'exit').then(() => {
      if (this.child !== child) return;
      this.child = undefined;
      if (!this.wanted) return;
      const how = `code ${String(child.exitCode)}, signal ${String(child.signalCode)}`;
      this.surprises.push(`${name} ended by itself (${how}); see ${log_file}`);
      void delay(RESTART_MS).then(() => {
        if (this.wanted && this.child === undefined) this.start();
      });
    });
  }

  /** SIGKILL, and after a while a new life. */
  async kill(down_ms: number): Promise<void> {
    this.wanted = false;
    this.signal('SIGKILL');
    await this.ended;
    await delay(down_ms);
    this.start();
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** In good order; whoever takes longer than the patience is killed, and that is a surprise. */
  async stop(patience_ms: number): Promise<void> {
    this.wanted = false;
    this.resume();
    this.signal('SIGTERM');
    const late = new AbortController();
    const timely = this.ended.then(() => true);
    const done = await Promise.race([
      timely,
      delay(patience_ms, false, { signal: late.signal }).catch(() => true),
    ]);
    late.abort();
    if (done) return;
    this.surprises.push(`${this.name} did not end within ${patience_ms} ms of SIGTERM`);
    this.signal('SIGKILL');
    await this.ended;
  }

  private signal(name: NodeJS.Signals): void {
    this.child?.kill(name);
  }
}
