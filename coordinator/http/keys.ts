/** API keys, as their file has them now: one taken out of it is refused within a second, without a restart. */
import { timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { type ApiKey, hashKey, parseKeys } from './key-file.ts';

export interface Keys {
  /** Whose key it is; undefined when it is nobody's. */
  callerOf(key: string): Promise<string | undefined>;
  /**
   * Calls `revoked` once, when the key is taken out of the file or given to somebody else; from here on the file is
   * looked at also when nobody asks.
   *
   * @param caller as `callerOf` has said
   * @returns ends it; safe to call twice
   */
  watch(key: string, caller: string, revoked: () => void): () => void;
}

const LOOK_EVERY_MS = 1_000;
const OTHERS = 0o077n;

interface KeysOptions {
  readonly file: string;
  /** Milliseconds that never go backwards. */
  readonly clock: () => number;
  readonly log: Log;
}

/** @throws CcliError `config_invalid` when the file cannot be used now; later that only keeps the keys of before */
export async function openKeys({ file, clock, log }: KeysOptions): Promise<Keys> {
  let version = await versionOf(file);
  let keys = await read(file);
  warnOfOthers(version, file, log);
  let looked = clock();
  let looking: Promise<void> | undefined;
  /** Each failure is told of once, and not with every request. */
  let told: string | undefined;
  const watched = new Set<Watched>();
  let timer: NodeJS.Timeout | undefined;

  const look = async (): Promise<void> => {
    try {
      const now = await versionOf(file);
      if (now.text === version.text) return;
      const text = await readText(file);
      // Before it is parsed: what cannot be parsed now cannot be later, until somebody changes it.
      version = now;
      keys = parseKeys(text, file);
      told = undefined;
      warnOfOthers(now, file, log);
      log.info('keys_reloaded', { file, keys: keys.length });
      expel();
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      if (failure !== told) log.error('keys_not_reloaded', { file, ...errorFields(error) });
      told = failure;
    }
  };

  const lookOnce = (): Promise<void> => {
    looking ??= look().finally(() => {
      looked = clock();
      looking = undefined;
    });
    return looking;
  };

  /** Whoever asks after a change waits until it is read: a key that was taken away is not let in once more. */
  const current = async (): Promise<readonly ApiKey[]> => {
    await (clock() - looked >= LOOK_EVERY_MS ? lookOnce() : looking);
    return keys;
  };

  const isKnown = ({ hash, caller }: ApiKey): boolean =>
    keys.some(known => known.caller === caller && known.hash.equals(hash));

  const forget = (one: Watched): void => {
    watched.delete(one);
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  const expel = (): void => {
    for (const one of [...watched]) {
      if (isKnown(one)) continue;
      forget(one);
      one.revoked();
    }
  };

  return {
    async callerOf(key) {
      const hash = hashKey(key);
      let caller: string | undefined;
      // All of them, so that the time it takes tells nothing about which one fits.
      for (const known of await current()) if (timingSafeEqual(known.hash, hash)) caller ??= known.caller;
      return caller;
    },
    watch(key, caller, revoked) {
      const one = { hash: hashKey(key), caller, revoked };
      watched.add(one);
      // `look` tells its failures itself.
      timer ??= setInterval(() => void lookOnce(), LOOK_EVERY_MS);
      // It may have gone between the answer of `callerOf` and this.
      if (!isKnown(one)) expel();
      return () => {
        forget(one);
      };
    },
  };
}

interface Watched extends ApiKey {
  readonly revoked: () => void;
}

interface Version {
  readonly text: string;
  readonly mode: bigint;
}

async function versionOf(file: string): Promise<Version> {
  try {
    const { ino, size, mtimeNs, ctimeNs, mode } = await stat(file, { bigint: true });
    return { text: [ino, size, mtimeNs, ctimeNs].join(':'), mode };
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

const read = async (file: string): Promise<readonly ApiKey[]> => parseKeys(await readText(file), file);

const unreadable = (file: string, cause: unknown): CcliError =>
  new CcliError('config_invalid', `The file of API keys ${file} cannot be read.`, { cause });

function warnOfOthers({ mode }: Version, file: string, log: Log): void {
  if ((mode & OTHERS) === 0n) return;
  log.warn('keys_file_open', { file, warning: 'Others may read or change this file; make it `chmod 600`.' });
}
