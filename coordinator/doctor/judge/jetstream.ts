import { ok, type Verdict, warn } from '../../../protocol/finding.ts';

/** Bytes; a limit that is not positive is none. */
export interface Fill {
  readonly used_bytes: number;
  readonly limit_bytes: number;
}

export interface JetStreamFacts {
  readonly file: Fill;
  readonly memory: Fill;
  readonly streams: number;
  readonly consumers: number;
}

/** Beyond it the account soon refuses what the stores were promised. */
const NEARLY_FULL = 0.85;

export function judgeJetStream({ file, memory, streams, consumers }: JetStreamFacts): readonly Verdict[] {
  const says = `JetStream is on: ${fillText('file', file)}, ${fillText('memory', memory)}, ${streams} streams, ${consumers} consumers.`;
  const full = [
    ['file', file, 'max_file_store'],
    ['memory', memory, 'max_memory_store'],
  ] as const;
  const found = full
    .filter(([, fill]) => share(fill) >= NEARLY_FULL)
    .map(([kind, fill, setting]) =>
      warn(
        `JetStream's ${kind} storage is ${Math.round(share(fill) * 100)} % full: ${fillText(kind, fill)}.`,
        `Raise ${setting} of nats-server (or the limits of its account), or lower \`store\` and \`history\` of the coordinator.`,
      ),
    );
  return found.length > 0 ? found : [ok(says)];
}

export const share = ({ used_bytes, limit_bytes }: Fill): number =>
  limit_bytes > 0 ? used_bytes / limit_bytes : 0;

const MIB = 1024 * 1024;
export const mib = (bytes: number): string => `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;

const fillText = (kind: string, { used_bytes, limit_bytes }: Fill): string =>
  limit_bytes > 0
    ? `${kind} ${mib(used_bytes)} of ${mib(limit_bytes)}`
    : `${kind} ${mib(used_bytes)}, no limit told`;
