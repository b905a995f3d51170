/**
 * A proxy between one client and nats-server, for tests that break the line at a moment of their choosing.
 *
 *     const proxy = await startNatsProxy(nats.port);
 *     const stop = proxy.breakAt('before', 'ccli.node.walnut.run');   // the client is given proxy.url
 *     await stop.reached;                                             // the request has not left
 *     coordinator.kill('SIGKILL');
 *     stop.resume('disconnect');
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Frame } from './nats-frames.ts';
import {
  Gate,
  type Hook,
  Link,
  type PublishHooks,
  type Shared,
  type Verdict,
  type Watch,
} from './nats-proxy-link.ts';

export type { Frame } from './nats-frames.ts';
export type { PublishHooks, Verdict } from './nats-proxy-link.ts';

export interface Breakpoint {
  /** The first frame that came here. It stays here until `resume`. */
  readonly reached: Promise<Frame>;
  /** Lets it go on, and takes the breakpoint away. */
  readonly resume: (verdict?: Verdict) => void;
}

export interface NatsProxy {
  readonly url: string;
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: () => number;
  /** Ends every connection and takes none until `restore`. */
  readonly cut: () => void;
  readonly restore: () => void;
  /** Nothing arrives, in either direction, and nobody is told; new connections open and stay silent. */
  readonly partition: () => void;
  /** `resume`: what was under way arrives late. `reset`: it is lost with the connections. */
  readonly heal: (how?: 'resume' | 'reset') => void;
  /** What the client sends arrives; what the server answers does not, until `releaseReplies`. */
  readonly holdReplies: () => void;
  readonly releaseReplies: (how?: 'resume' | 'reset') => void;
  /** @returns takes the hooks away again. */
  readonly onPublish: (pattern: string, hooks: PublishHooks) => () => void;
  /** Of what the server delivers. */
  readonly onMessage: (pattern: string, hook: Hook<[Frame]>) => () => void;
  /** Stops the first publish that fits, at this point of its way. */
  readonly breakAt: (point: keyof PublishHooks, pattern: string) => Breakpoint;
  readonly close: () => Promise<void>;
}

export async function startNatsProxy(server_port: number): Promise<NatsProxy> {
  const shared: Shared = { up: new Gate(), down: new Gate(), publishes: new Set(), messages: new Set() };
  const links = new Set<Link>();
  let refusing = false;
  let opens: (() => void)[] = [];
  let holds: (() => void)[] = [];

  const listener = createServer({ noDelay: true }, client => {
    if (refusing) {
      client.destroy();
      return;
    }
    const link = new Link(client, server_port, shared);
    links.add(link);
    void link.run().finally(() => links.delete(link));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  const { port } = address;

  const reset = (): void => {
    for (const link of links) link.destroy();
  };
  const watch = <T>(set: Set<Watch<T>>, pattern: string, hooks: T): (() => void) => {
    const entry = { pattern, hooks };
    set.add(entry);
    return () => {
      set.delete(entry);
    };
  };
  const onPublish: NatsProxy['onPublish'] = (pattern, hooks) => watch(shared.publishes, pattern, hooks);

  return {
    url: `nats://127.0.0.1:${String(port)}`,
    port,
    connections: () => links.size,
    cut() {
      refusing = true;
      reset();
    },
    restore() {
      refusing = false;
    },
    partition() {
      opens.push(shared.up.shut(), shared.down.shut());
    },
    heal(how = 'resume') {
      if (how === 'reset') reset();
      for (const open of opens) open();
      opens = [];
    },
    holdReplies() {
      holds.push(shared.down.shut());
    },
    releaseReplies(how = 'resume') {
      if (how === 'reset') reset();
      for (const open of holds) open();
      holds = [];
    },
    onPublish,
    onMessage: (pattern, hook) => watch(shared.messages, pattern, hook),
    breakAt: (point, pattern) => breakpoint(point, pattern, onPublish),
    async close() {
      refusing = true;
      reset();
      listener.close();
      await once(listener, 'close');
    },
  };
}

function breakpoint(
  point: keyof PublishHooks,
  pattern: string,
  onPublish: NatsProxy['onPublish'],
): Breakpoint {
  let arrive: (frame: Frame) => void = () => undefined;
  let release: (verdict: Verdict) => void = () => undefined;
  const reached = new Promise<Frame>(resolve => {
    arrive = resolve;
  });
  const resumed = new Promise<Verdict>(resolve => {
    release = resolve;
  });
  const hook: Hook<[Frame]> = frame => {
    forget();
    arrive(frame);
    return resumed;
  };
  const forget = onPublish(pattern, { [point]: hook });
  return {
    reached,
    resume(verdict = 'forward') {
      forget();
      release(verdict);
    },
  };
}
