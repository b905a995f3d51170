/** The keys that are offered to a host, in the order OpenSSH offers them. */
import type { ParsedKey, SigningRequestOptions } from 'ssh2';
import { Agent } from './agent.ts';
import type { ClientConfig, IdentityFile } from './client-config.ts';
import { within } from './deadline.ts';
import { stageTimeout } from './failure.ts';
import type { KeyFile } from './key-file.ts';
import type { Keyring } from './keyring.ts';

export interface KeyOffer {
  /** For messages: where the key is. */
  readonly label: string;
  readonly public_key: ParsedKey;
  /** Asked for only once the host has said that it takes this key. @throws CcliError `ssh_key_locked` */
  sign(data: Buffer, options: SigningRequestOptions): Promise<Buffer>;
}

export interface Offers {
  readonly offers: readonly KeyOffer[];
  /** Keys that were looked for and cannot be offered, each with the reason. */
  readonly left_out: readonly string[];
}

interface Found {
  readonly file: IdentityFile;
  readonly key: KeyFile;
}

/** Keys of the agent that the configuration names, then its other keys, then those in files. */
export async function findOffers(
  config: ClientConfig,
  keyring: Keyring,
  timeout_ms: number,
): Promise<Offers> {
  const left_out: string[] = [];
  const found = await Promise.all(
    config.identity_files.map(async (file): Promise<Found> => ({ file, key: await keyring.read(file.path) })),
  );
  const held = await heldByAgent(config, timeout_ms, left_out);
  const named = found.flatMap(one => held.filter(offer => isHalfOf(one.key, offer.public_key)));
  const others = config.identities_only ? [] : held.filter(offer => !named.includes(offer));
  const files: KeyOffer[] = [];
  for (const one of found) {
    if (named.some(offer => isHalfOf(one.key, offer.public_key))) continue;
    const offer = await fileOffer(one, keyring, left_out);
    if (offer !== undefined) files.push(offer);
  }
  return { offers: [...new Set([...named, ...others, ...files])], left_out };
}

async function heldByAgent(
  config: ClientConfig,
  timeout_ms: number,
  left_out: string[],
): Promise<KeyOffer[]> {
  const { agent: socket } = config;
  if (socket === undefined) return [];
  try {
    const agent = new Agent(socket);
    const keys = await within(agent.identities(), {
      timeout_ms,
      late: () => stageTimeout(config.name, 'agent', timeout_ms),
    });
    return keys.map(public_key => ({
      label: `the ${public_key.type} key "${public_key.comment}" of the agent`,
      public_key,
      sign: (data, options) => agent.sign(public_key, data, options),
    }));
  } catch (error) {
    left_out.push(`the agent ${socket} (${error instanceof Error ? error.message : String(error)})`);
    return [];
  }
}

async function fileOffer(
  { file: { path, by_default }, key }: Found,
  keyring: Keyring,
  left_out: string[],
): Promise<KeyOffer | undefined> {
  switch (key.kind) {
    case 'key':
      return {
        label: path,
        public_key: key.key,
        sign: (data, { hash }) => Promise.resolve(key.key.sign(data, hash)),
      };
    case 'locked': {
      // An old format tells nothing of a key before it is unlocked.
      const public_key = key.public_key ?? (await keyring.unlock(path).catch(() => undefined));
      if (public_key === undefined) {
        left_out.push(`${path} (encrypted, and not unlocked)`);
        return undefined;
      }
      return {
        label: path,
        public_key,
        sign: async (data, { hash }) => (await keyring.unlock(path)).sign(data, hash),
      };
    }
    case 'public':
      left_out.push(`${path} (a public key, and no agent holds its private half)`);
      return undefined;
    case 'absent':
      if (!by_default) left_out.push(`${path} (there is no such file)`);
      return undefined;
    case 'unusable':
      left_out.push(`${path} (${key.why})`);
      return undefined;
  }
}

function isHalfOf(file: KeyFile, public_key: ParsedKey): boolean {
  const half = file.kind === 'key' ? file.key : 'public_key' in file ? file.public_key : undefined;
  return half?.getPublicSSH().equals(public_key.getPublicSSH()) ?? false;
}
