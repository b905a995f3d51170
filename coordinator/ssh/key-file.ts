/** Private keys in files: what of them can be told without a passphrase, and unlocking them with one. */
import { readFile, stat } from 'node:fs/promises';
import ssh2, { type ParsedKey } from 'ssh2';
import { codeOf } from './failure.ts';

export type KeyFile =
  | { readonly kind: 'key'; readonly key: ParsedKey }
  /** Encrypted; `public_key` may be absent in old formats without a `.pub` beside them. */
  | { readonly kind: 'locked'; readonly public_key: ParsedKey | undefined }
  /** A public key: its private half is in an agent, or nowhere. */
  | { readonly kind: 'public'; readonly public_key: ParsedKey }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly why: string };

export async function readKeyFile(path: string): Promise<KeyFile> {
  try {
    const [bytes, { mode, uid }] = await Promise.all([readFile(path), stat(path)]);
    const text = bytes.toString('latin1');
    const key = parse(bytes);
    if (!(key instanceof Error) && !key.isPrivateKey()) return { kind: 'public', public_key: key };
    if ((mode & 0o077) !== 0 && uid === process.getuid?.())
      return { kind: 'unusable', why: `others can read it; run: chmod 600 ${path}` };
    if (!(key instanceof Error)) return { kind: 'key', key };
    if (isEncrypted(text))
      return { kind: 'locked', public_key: publicPart(text) ?? (await publicBeside(path)) };
    return { kind: 'unusable', why: 'it holds no key of a kind that ccli knows' };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' };
    return { kind: 'unusable', why: `it cannot be read (${code ?? String(error)})` };
  }
}

/** Undefined when the passphrase is wrong. */
export async function unlockKeyFile(path: string, passphrase: string): Promise<ParsedKey | undefined> {
  const key = parse(await readFile(path), passphrase);
  return key instanceof Error ? undefined : key;
}

/** The parser says of some files that it throws. */
function parse(bytes: Buffer, passphrase?: string): ParsedKey | Error {
  try {
    const parsed: ParsedKey | readonly ParsedKey[] | Error = ssh2.utils.parseKey(bytes, passphrase);
    if (parsed instanceof Error || !Array.isArray(parsed)) return parsed;
    const [first]: readonly (ParsedKey | undefined)[] = parsed;
    return first ?? new Error('no key');
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const OPENSSH = /-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END/;
const MAGIC = 'openssh-key-v1\0';

function isEncrypted(text: string): boolean {
  const fields = opensshFields(text);
  return fields === undefined
    ? /^(Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED|Encryption: aes)/m.test(text)
    : fields.cipher !== 'none';
}

function publicPart(text: string): ParsedKey | undefined {
  const fields = opensshFields(text);
  if (fields === undefined) return undefined;
  const length = fields.public_key.readUInt32BE(0);
  const type = fields.public_key.toString('latin1', 4, 4 + length);
  const key = parse(Buffer.from(`${type} ${fields.public_key.toString('base64')}`));
  return key instanceof Error ? undefined : key;
}

/** PROTOCOL.key of OpenSSH: magic, cipher, kdf, kdf options, number of keys, public key; the rest may be encrypted. */
function opensshFields(text: string): { readonly cipher: string; readonly public_key: Buffer } | undefined {
  const [, body] = OPENSSH.exec(text) ?? [];
  if (body === undefined) return undefined;
  const bytes = Buffer.from(body, 'base64');
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  let at = MAGIC.length;
  const next = (): Buffer => {
    const start = at + 4;
    at = start + bytes.readUInt32BE(at);
    return bytes.subarray(start, at);
  };
  const cipher = next().toString('latin1');
  next();
  next();
  at += 4;
  return { cipher, public_key: next() };
}

async function publicBeside(path: string): Promise<ParsedKey | undefined> {
  try {
    const key = parse(await readFile(`${path}.pub`));
    return key instanceof Error ? undefined : key;
  } catch {
    // It is not needed, only practical.
    return undefined;
  }
}
