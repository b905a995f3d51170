/** One connection through the proxy: a client, the server, and what stands between them. */
import { connect, type Socket } from 'node:net';
import { type Frame, FrameParser, subjectMatches } from './nats-frames.ts';

/** What becomes of a frame after a hook has seen it: it goes on, it alone is swallowed, or the line breaks. */
export type Verdict = 'forward' | 'drop' | 'disconnect';

export type Hook<Args extends readonly unknown[]> = (...args: Args) => Verdict | Promise<Verdict>;

/** While a hook's promise is open, the line stands still in the direction it is about. */
export interface PublishHooks {
  /** The client has sent it, the server does not have it. */
  readonly before?: Hook<[Frame]>;
  /** It went to the server; nothing that the server says reaches the client until the hook is done. */
  readonly forwarded?: Hook<[Frame]>;
  /** The answer on its reply subject has come to the proxy: what was published is done. The client does not know. */
  readonly answered?: Hook<[Frame, Frame]>;
}

export interface Watch<T> {
  readonly pattern: string;
  readonly hooks: T;
}

export interface Shared {
  readonly up: Gate;
  readonly down: Gate;
  readonly publishes: Set<Watch<PublishHooks>>;
  readonly messages: Set<Watch<Hook<[Frame]>>>;
}

/** Open, until somebody shuts it; open again when everybody who shut it has opened it. */
export class Gate {
  private shutters = 0;
  private waiting: (() => void)[] = [];

  get open(): boolean {
    return this.shutters === 0;
  }

  /** @returns opens it; twice does nothing more. */
  shut(): () => void {
    this.shutters += 1;
    let done = false;
    return () => {
      if (done) return;
      done = true;
      this.shutters -= 1;
      if (this.open) this.wake();
    };
  }

  async passed(): Promise<void> {
    while (!this.open) await new Promise<void>(resolve => this.waiting.push(resolve));
  }

  private wake(): void {
    const woken = this.waiting;
    this.waiting = [];
    for (const resolve of woken) resolve();
  }
}

interface Awaited {
  readonly frame: Frame;
  readonly hooks: readonly Hook<[Frame, Frame]>[];
}

export class Link {
  private readonly client: Socket;
  private readonly server_port: number;
  private readonly shared: Shared;
  /** Shut while somebody looks at a publish whose answer must not arrive yet. */
  private readonly down = new Gate();
  /** By reply subject: publishes whose answer somebody wants to see first. */
  private readonly awaited = new Map<string, Awaited>();
  private server: Socket | undefined;

  constructor(client: Socket, server_port: number, shared: Shared) {
    this.client = client;
    this.server_port = server_port;
    this.shared = shared;
    ignoreErrors(client);
  }

  /** Until both sides have ended. */
  async run(): Promise<void> {
    // Behind a partition not even the greeting comes through.
    await this.shared.up.passed();
    if (this.client.destroyed) return;
    const server = connect({ port: this.server_port, host: '127.0.0.1', noDelay: true });
    this.server = server;
    ignoreErrors(server);
    await Promise.all([
      this.pump(this.client, server, { gates: [this.shared.up], intercept: frame => this.goingUp(frame) }),
      this.pump(server, this.client, {
        gates: [this.shared.down, this.down],
        intercept: frame => this.comingDown(frame),
      }),
    ]);
  }

  destroy(): void {
    this.client.destroy();
    this.server?.destroy();
  }

  private async pump(from: Socket, to: Socket, lane: Lane): Promise<void> {
    const frames = new FrameParser();
    try {
      for await (const piece of pieces(from)) await this.passAll(frames.push(piece), to, lane);
      await passed(lane.gates);
      to.end(frames.rest());
    } catch {
      // However one side broke off, the other learns it the same way.
      this.destroy();
    }
  }

  private async passAll(frames: readonly Frame[], to: Socket, lane: Lane): Promise<void> {
    let plain: Buffer[] = [];
    for (const frame of frames) {
      const handling = lane.gates.every(gate => gate.open) ? lane.intercept(frame) : 'shut';
      if (handling === undefined) {
        plain.push(frame.bytes);
        continue;
      }
      await send(to, plain);
      plain = [];
      await passed(lane.gates);
      const handle = handling === 'shut' ? lane.intercept(frame) : handling;
      if (handle === undefined) await send(to, [frame.bytes]);
      else await handle(to);
    }
    await send(to, plain);
  }

  /** Undefined when nobody wants to see it. */
  private goingUp(frame: Frame): Handling | undefined {
    if (!frame.verb.endsWith('PUB') || this.shared.publishes.size === 0) return undefined;
    const hooks = matching(this.shared.publishes, frame.subject);
    if (hooks.length === 0) return undefined;
    return async to => {
      const verdict = await judge(
        hooks.flatMap(({ before }) => before ?? []),
        [frame],
      );
      if (verdict === 'disconnect') this.destroy();
      if (verdict !== 'forward') return;
      const answered = hooks.flatMap(hook => hook.answered ?? []);
      if (answered.length > 0 && frame.reply !== undefined)
        this.awaited.set(frame.reply, { frame, hooks: answered });
      const forwarded = hooks.flatMap(hook => hook.forwarded ?? []);
      const open = forwarded.length > 0 ? this.down.shut() : undefined;
      await send(to, [frame.bytes]);
      if (open === undefined) return;
      // What follows this publish goes on: only the answers wait.
      void judge(forwarded, [frame]).then(after => {
        if (after === 'disconnect') this.destroy();
        open();
      });
    };
  }

  private comingDown(frame: Frame): Handling | undefined {
    if (frame.verb === 'INFO') return async to => send(to, [withoutOtherServers(frame)]);
    if (!frame.verb.endsWith('MSG')) return undefined;
    const awaited = this.awaited.get(frame.subject);
    const hooks = this.shared.messages.size === 0 ? [] : matching(this.shared.messages, frame.subject);
    if (awaited === undefined && hooks.length === 0) return undefined;
    return async to => {
      this.awaited.delete(frame.subject);
      const verdicts = [
        await judge(awaited?.hooks ?? [], [awaited?.frame ?? frame, frame]),
        await judge(hooks, [frame]),
      ];
      if (verdicts.includes('disconnect')) this.destroy();
      else if (!verdicts.includes('drop')) await send(to, [frame.bytes]);
    };
  }
}

type Handling = (to: Socket) => Promise<void>;

interface Lane {
  readonly gates: readonly Gate[];
  readonly intercept: (frame: Frame) => Handling | undefined;
}

const matching = <T>(watches: ReadonlySet<Watch<T>>, subject: string): T[] =>
  [...watches].filter(({ pattern }) => subjectMatches(pattern, subject)).map(({ hooks }) => hooks);

async function passed(gates: readonly Gate[]): Promise<void> {
  while (gates.some(gate => !gate.open)) for (const gate of gates) await gate.passed();
}

/** The harshest of all verdicts. */
async function judge<Args extends readonly unknown[]>(
  hooks: readonly Hook<Args>[],
  args: Args,
): Promise<Verdict> {
  let worst: Verdict = 'forward';
  for (const hook of hooks) {
    let verdict: Verdict;
    try {
      verdict = await hook(...args);
    } catch (error) {
      // A mistake in a test must not pass for a broken line.
      queueMicrotask(() => {
        throw error;
      });
      verdict = 'disconnect';
    }
    if (verdict === 'disconnect' || worst === 'forward') worst = verdict;
  }
  return worst;
}

/** Without an encoding set, a socket reads buffers and nothing else; its type does not say so. */
const pieces = (from: Socket): AsyncIterable<Buffer> => from;

async function send(to: Socket, parts: readonly Buffer[]): Promise<void> {
  if (parts.length === 0 || to.destroyed) return;
  to.cork();
  let room = true;
  for (const part of parts) room = to.write(part);
  to.uncork();
  if (room) return;
  await new Promise<void>(resolve => {
    const done = (): void => {
      to.off('drain', done);
      to.off('close', done);
      resolve();
    };
    to.on('drain', done);
    to.on('close', done);
  });
}

/** A client that knew the server's own address could go round the proxy. */
function withoutOtherServers(frame: Frame): Buffer {
  const text = frame.bytes.toString('utf8');
  const info: unknown = JSON.parse(text.slice(text.indexOf('{')));
  if (typeof info !== 'object' || info === null || !('connect_urls' in info)) return frame.bytes;
  const { connect_urls: _urls, ...rest } = info;
  return Buffer.from(`INFO ${JSON.stringify(rest)}\r\n`);
}

/** `close` follows every error, and is what the pumps see. */
function ignoreErrors(socket: Socket): void {
  socket.on('error', () => undefined);
}
