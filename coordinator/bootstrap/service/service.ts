/** How a node-agent is kept running on its host: the one thing that differs between a system, a user and neither. */
import type { InstallationRecord, RecordKeeper, ServiceKind } from '../record.ts';
import type { Shell } from '../shell.ts';
import type { Changes } from '../undo.ts';

export interface Service {
  readonly kind: ServiceKind;
  /** As an operator names it: `ccli-node-agent@alice.service`. */
  readonly unit: string;
  /** What an operator must know who relies on it. */
  readonly warning?: string;
  /** What is missing or other than this version wants it, in words; empty when all is right. */
  wrong(shell: Shell): Promise<readonly string[]>;
  /** Puts right what `wrong` tells. */
  install(site: ServiceSite): Promise<void>;
  running(shell: Shell): Promise<boolean>;
  /** Resolves once it is up, as far as can be told here. */
  start(shell: Shell): Promise<void>;
  /** SIGTERM, and as long as it takes to drain. */
  stop(shell: Shell): Promise<void>;
  /** Takes away what only a running or ended daemon leaves: where its process and its log were. */
  forget(shell: Shell): Promise<void>;
  /** The last lines of its log; empty when there are none. */
  lastWords(shell: Shell): Promise<string>;
  /** Takes everything away that `install` put there. It is stopped already. */
  remove(shell: Shell, record: InstallationRecord): Promise<void>;
}

export interface ServiceSite {
  readonly shell: Shell;
  readonly changes: Changes;
  readonly record: RecordKeeper;
  readonly undo_directory: string;
}

export const LAST_LINES = 10;
/** Beyond the time for draining: tools are ended, results are handed over. */
export const STOP_SLACK_MS = 60_000;
export const DRAIN_MS = 30_000;
