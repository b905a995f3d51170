/** nats-server as the product runs it, to be killed, stopped and started again on the same port and store. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type NatsProcess, startNatsProcess } from '../../coordinator/embedded/nats-process.ts';
import { findNatsServer, type NatsServer } from '../../coordinator/embedded/nats-server.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';

export class Server {
  readonly surprises: string[] = [];
  private readonly directory: string;
  private readonly environment: Environment;
  private found: NatsServer | undefined;
  private running: NatsProcess | undefined;
  private lives = 0;
  private last_port: number | undefined;

  constructor(directory: string, environment: Environment) {
    this.directory = directory;
    this.environment = environment;
  }

  get port(): number {
    if (this.last_port === undefined) throw new Error('nats-server has not been started');
    return this.last_port;
  }

  get url(): string {
    return `nats://127.0.0.1:${String(this.port)}`;
  }

  async start(): Promise<void> {
    this.found ??= await findNatsServer({ environment: this.environment, onStage: () => undefined });
    this.lives += 1;
    const running = await startNatsProcess({
      server: this.found,
      environment: this.environment,
      directory: join(this.directory, 'nats'),
      log_file: join(this.directory, 'logs', `nats-${String(this.lives)}.log`),
      server_name: 'faults',
      port: this.last_port ?? 'any',
      sync: 'always',
    });
    this.running = running;
    this.last_port = running.port;
    void running.exited.then(({ code }) => {
      if (this.running === running) this.surprises.push(`nats-server ended by itself (code ${String(code)})`);
    });
  }

  async kill(down_ms: number): Promise<void> {
    const running = this.forget();
    await running?.kill();
    await delay(down_ms);
    await this.start();
  }

  async restart(down_ms: number): Promise<void> {
    await this.stop();
    await delay(down_ms);
    await this.start();
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.forget()?.stop();
  }

  private forget(): NatsProcess | undefined {
    const { running } = this;
    this.running = undefined;
    return running;
  }

  private signal(name: NodeJS.Signals): void {
    const pid = this.running?.pid;
    // The group: the shell that guards the server waits in it too.
    if (pid !== undefined) process.kill(-pid, name);
  }
}
