/** What the versions of nats-server can do for us. */

import type { Environment } from '../../protocol/daemon/settings.ts';
import { runCommand } from './command.ts';

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** Acknowledged writes survive a power cut from here on, given `sync_interval: always`. */
const DURABLE: Version = { major: 2, minor: 14, patch: 0 };
/** The oldest that works at all: what Debian 12 ships. */
const OLDEST: Version = { major: 2, minor: 9, patch: 10 };
/** Older ones refuse to start with `sync_interval` in their configuration. */
const SYNC_INTERVAL: Version = { major: 2, minor: 10, patch: 0 };

export function parseVersion(text: string): Version | undefined {
  const [, major, minor, patch] = /(\d+)\.(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined || minor === undefined || patch === undefined
    ? undefined
    : { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

export const formatVersion = ({ major, minor, patch }: Version): string => `${major}.${minor}.${patch}`;

const atLeast = (version: Version, floor: Version): boolean => compareVersions(version, floor) >= 0;

export const compareVersions = (a: Version, b: Version): number =>
  a.major - b.major || a.minor - b.minor || a.patch - b.patch;

export const isDurable = (version: Version): boolean => atLeast(version, DURABLE);
export const isUsable = (version: Version): boolean => atLeast(version, OLDEST);
export const knowsSyncInterval = (version: Version): boolean => atLeast(version, SYNC_INTERVAL);

/** Undefined when the program does not run or does not say. */
export async function askVersion(path: string, environment: Environment): Promise<Version | undefined> {
  try {
    return parseVersion(await runCommand(path, ['--version'], { environment, timeout_ms: 10_000 }));
  } catch {
    // A broken program is no candidate; its caller looks for another or names it.
    return undefined;
  }
}

export const durabilityWarning = (version: Version): string =>
  `nats-server ${formatVersion(version)} is older than 2.14: tasks it has accepted can be lost at a power cut. ` +
  'Fine for trying things out; install 2.14 or newer for real work.';
