/** The coordinator's end of a line, played by the test: `ccli node-agent exec --stdio` as a real process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import type { Advert } from '../../protocol/advert.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import { type FromNode, FromNodeSchema, type LineVerb } from '../../protocol/line.ts';
import type { FinishedReport, Report } from '../../protocol/report.ts';
import { built } from './built.ts';
import { plainEnvironment } from './plain-environment.ts';
import { waitFor } from './wait.ts';

type Said<K extends FromNode['kind']> = Extract<FromNode, { kind: K }>;

export interface LineEnd {
  readonly pid: number;
  /** Everything that came, in order. */
  readonly said: readonly FromNode[];
  readonly of: <K extends FromNode['kind']>(kind: K) => Said<K>[];
  readonly hello: () => Promise<Said<'hello'>>;
  /** The first advert that fits. */
  readonly advertised: (fits: (advert: Advert) => boolean) => Promise<Advert>;
  /** The reply. @throws with the code of an error */
  readonly request: (verb: LineVerb, body: unknown) => Promise<unknown>;
  readonly send: (line: string | Uint8Array) => void;
  readonly ack: (id: string) => void;
  /** Waits for how the attempt ended, without an acknowledgement unless `autoAck`. */
  readonly finished: (task_id: string, attempt?: number) => Promise<FinishedReport>;
  readonly reports: () => Report[];
  /** Asks no more. */
  readonly hangUp: () => void;
  /** Reads no more, until `listen`. */
  readonly deafen: () => void;
  readonly listen: () => void;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** The exit code; undefined when a signal ended it. */
  readonly ended: Promise<number | undefined>;
}

interface LineOptions {
  readonly file: string;
  /** Reports are acknowledged as they come, unless this is off. */
  readonly ack?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

export class Refused extends Error {
  readonly body: ErrorBody;
  constructor(body: ErrorBody) {
    super(`${body.code}: ${body.message}`);
    this.body = body;
  }
}

export function openLine({ file, ack = true, environment = {} }: LineOptions): LineEnd {
  const child = spawn(
    process.execPath,
    [built('node-agent/program.ts'), 'node-agent', 'exec', '--stdio', '--config', file],
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...plainEnvironment(), ...environment } },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error('exec did not start');
  const ended = once(child, 'close').then(() => child.exitCode ?? undefined);
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    child.stdout.resume();
    await ended;
  });
  child.stdin.on('error', () => undefined);
  const said: FromNode[] = [];
  let next_id = 0;
  let rest = '';
  const send: LineEnd['send'] = line => {
    child.stdin.write(line);
  };
  const say = (message: unknown): void => {
    send(`${JSON.stringify(message)}\n`);
  };
  const acknowledge = (id: string): void => {
    say({ kind: 'ack', v: 1, id });
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = FromNodeSchema.parse(JSON.parse(line));
      said.push(message);
      if (message.kind === 'report' && ack) acknowledge(message.id);
    }
  });
  const of: LineEnd['of'] = kind =>
    said.filter((message): message is Said<typeof kind> => message.kind === kind);
  const reports = (): Report[] => of('report').map(({ report }) => report);

  return {
    pid,
    said,
    of,
    send,
    ack: acknowledge,
    reports,
    hello: () => waitFor(() => of('hello')[0], { what: 'a hello' }),
    advertised: fits =>
      waitFor(() => of('advert').find(({ advert }) => fits(advert))?.advert, { what: 'an advert that fits' }),
    async request(verb, body) {
      const id = next_id++;
      say({ kind: 'request', v: 1, id, verb, body });
      const answer = await waitFor(
        () =>
          said.find(
            (message): message is Said<'reply'> | Said<'error'> =>
              (message.kind === 'reply' || message.kind === 'error') && message.id === id,
          ),
        { what: `an answer to ${verb}` },
      );
      if (answer.kind === 'error') throw new Refused(answer.error);
      return answer.reply;
    },
    finished: (task_id, attempt = 1) =>
      waitFor(
        () =>
          reports().find(
            (report): report is FinishedReport =>
              report.kind === 'finished' && report.task_id === task_id && report.attempt === attempt,
          ),
        { what: `the end of ${task_id}` },
      ),
    hangUp: () => child.stdin.end(),
    deafen: () => child.stdout.pause(),
    listen: () => child.stdout.resume(),
    signal: name => child.kill(name),
    ended,
  };
}
