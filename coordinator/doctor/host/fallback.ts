/** The way in when NATS is gone: whether the node says hello on it. No task is placed. */
import type { Readable } from 'node:stream';
import type { Check } from '../../../protocol/daemon/checks.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { ok, type Verdict } from '../../../protocol/finding.ts';
import { type FromNode, FromNodeSchema, MAX_LINE_BYTES } from '../../../protocol/line.ts';
import { type HostContext, isInstalled } from './context.ts';

export const fallbackCheck: Check<HostContext> = {
  id: 'fallback',
  title: 'the way in when NATS is gone',
  limit_ms: 45_000,
  late: 'ssh_timeout',
  // Both take processes of the node's size: one after the other.
  needs: ['installed'],
  async run(context, signal) {
    if (!isInstalled(context)) return [];
    const { host, clock } = context;
    const began = clock();
    const line = await host.open(
      { argv: ['sh', '-c', 'exec "$HOME/.local/bin/ccli" node-agent exec --stdio'] },
      signal,
    );
    // Nobody else listens, and a stream with an error that nobody hears of would end the program.
    line.stream.on('error', () => undefined);
    line.ended.catch(() => undefined);
    const said = lastWords(line.stderr);
    try {
      const hello = await firstLine(line.stream, signal);
      if (hello === undefined) throw endedEarly(said());
      return [judgeHello(hello, clock() - began)];
    } finally {
      line.stream.end();
      await line.kill().catch(() => undefined);
    }
  },
};

export function judgeHello(first: string, took_ms: number): Verdict {
  const parsed = FromNodeSchema.safeParse(parse(first));
  const hello: FromNode | undefined = parsed.success ? parsed.data : undefined;
  if (hello?.kind === 'error') throw new CcliError(hello.error.code, hello.error.message);
  if (hello?.kind !== 'hello') {
    throw new CcliError(
      'remote_command_failed',
      `\`ccli node-agent exec\` there did not say hello; its first words: ${first.slice(0, 200)}`,
    );
  }
  const who = hello.role === 'daemon' ? 'its daemon' : 'a stand-in, since its daemon is away,';
  return ok(`Tasks can reach it over SSH: ${who} says hello as ${hello.node}, ccli ${hello.version}.`, {
    took_ms,
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const endedEarly = (said: string): CcliError =>
  new CcliError(
    'remote_command_failed',
    `\`ccli node-agent exec\` there ended before it said hello${said === '' ? '' : `: ${said}`}.`,
  );

/** Undefined when it ends without one. */
async function firstLine(stream: Readable, signal: AbortSignal): Promise<string | undefined> {
  let text = '';
  const end = (): void => {
    stream.destroy();
  };
  signal.addEventListener('abort', end);
  try {
    stream.setEncoding('utf8');
    for await (const piece of stream.iterator({ destroyOnReturn: false })) {
      text += String(piece);
      const at = text.indexOf('\n');
      if (at !== -1) return text.slice(0, at);
      if (text.length > MAX_LINE_BYTES) return text;
    }
    return undefined;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function lastWords(stderr: Readable): () => string {
  let text = '';
  stderr.on('data', (piece: Buffer | string) => {
    text = `${text}${piece.toString()}`.slice(-1_000);
  });
  stderr.on('error', () => undefined);
  return () => text.trim().split('\n').slice(-2).join(' ');
}
