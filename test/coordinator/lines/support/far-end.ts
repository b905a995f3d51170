/** The far end of a line, played by the test. */
import { Duplex, PassThrough } from 'node:stream';
import type { RemoteProcess } from '../../../../coordinator/ssh/ssh.ts';
import type { FromNode, ToNode } from '../../../../protocol/line.ts';
import { ToNodeSchema } from '../../../../protocol/line.ts';
import { waitFor } from '../../../support/wait.ts';

type Ending = Awaited<RemoteProcess['ended']>;

export interface FarEnd {
  readonly process: RemoteProcess;
  readonly say: (...messages: readonly FromNode[]) => void;
  readonly write: (text: string) => void;
  readonly complain: (text: string) => void;
  readonly heard: readonly ToNode[];
  /** Waits for a message that has come. */
  readonly hears: <K extends ToNode['kind']>(kind: K, nth?: number) => Promise<Extract<ToNode, { kind: K }>>;
  readonly end: (ending?: Partial<Ending>) => void;
  readonly breakOff: (error: Error) => void;
  readonly killed: () => boolean;
  /** Ends when its stdin does, unless it is stubborn. */
  readonly hungUp: () => boolean;
}

export const hello = (over: Partial<Extract<FromNode, { kind: 'hello' }>> = {}): FromNode => ({
  kind: 'hello',
  v: 1,
  node: 'walnut',
  instance_id: 'one',
  version: '0.1.0',
  role: 'stand_in',
  ...over,
});

export function farEnd({ stubborn = false } = {}): FarEnd {
  const heard: ToNode[] = [];
  let settle: (ending: Ending) => void = () => undefined;
  let refuse: (error: Error) => void = () => undefined;
  const ended = new Promise<Ending>((resolve, reject) => {
    settle = resolve;
    refuse = reject;
  });
  ended.catch(() => undefined);
  let killed = false;
  let hung_up = false;
  let rest = '';
  const end: FarEnd['end'] = ({ code, signal } = { code: 0 }) => {
    stream.push(null);
    settle({ code, signal });
  };
  const stream = new Duplex({
    read: () => undefined,
    write(bytes: Buffer, _encoding, done) {
      const lines = (rest + bytes.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) heard.push(ToNodeSchema.parse(JSON.parse(line)));
      done();
    },
    final(done) {
      hung_up = true;
      done();
      if (!stubborn) end();
    },
  });
  const stderr = new PassThrough();
  const write: FarEnd['write'] = text => {
    stream.push(text);
  };
  return {
    process: {
      stream,
      stderr,
      ended,
      kill: () => {
        killed = true;
        end({ code: undefined, signal: 'SIGTERM' });
        return Promise.resolve();
      },
    },
    heard,
    write,
    say: (...messages) => {
      for (const message of messages) write(`${JSON.stringify(message)}\n`);
    },
    complain: text => {
      stderr.write(text);
    },
    hears: (kind, nth = 0) =>
      waitFor(
        () => heard.filter((one): one is Extract<ToNode, { kind: typeof kind }> => one.kind === kind)[nth],
        { what: `a ${kind}` },
      ),
    end,
    breakOff: error => {
      stream.destroy(error);
      refuse(error);
    },
    killed: () => killed,
    hungUp: () => hung_up,
  };
}
