/** Lines of known_hosts files, as in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface KnownHost {
  readonly marker: 'revoked' | 'cert-authority' | undefined;
  /** A list of patterns, or one hash. */
  readonly hosts: string;
  readonly type: string;
  /** In base64. */
  readonly key: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

const MARKERS: Readonly<Record<string, KnownHost['marker']>> = {
  '@revoked': 'revoked',
  '@cert-authority': 'cert-authority',
};

/** Lines that make no sense are left out, as OpenSSH does: they make no key known. */
export function parseKnownHosts(text: string, file: string): readonly KnownHost[] {
  return text.split('\n').flatMap((raw, index): KnownHost[] => {
    const fields = raw.trim().split(/\s+/);
    const [first = ''] = fields;
    if (first === '' || first.startsWith('#')) return [];
    const marker = MARKERS[first];
    if (first.startsWith('@') && marker === undefined) return [];
    const [hosts, type, key] = marker === undefined ? fields : fields.slice(1);
    if (hosts === undefined || type === undefined || key === undefined) return [];
    const bytes = Buffer.from(key, 'base64');
    if (typeOf(bytes) !== type) return [];
    // One key can be written in more ways than one; a revoked one must not slip through by that.
    return [{ marker, hosts, type, key: bytes.toString('base64'), file, line: index + 1 }];
  });
}

/** The type that a key names itself. */
function typeOf(bytes: Buffer): string | undefined {
  if (bytes.length < 4) return undefined;
  return bytes.toString('latin1', 4, 4 + bytes.readUInt32BE(0));
}

/** @param name in lower case: `host` or `[host]:port` */
export function isFor({ hosts }: KnownHost, name: string): boolean {
  if (hosts.startsWith('|')) return isHashOf(hosts, name);
  const patterns = hosts.toLowerCase().split(',');
  const denied = patterns.some(pattern => pattern.startsWith('!') && fits(pattern.slice(1), name));
  return !denied && patterns.some(pattern => !pattern.startsWith('!') && fits(pattern, name));
}

/** `|1|salt|hash`: HMAC-SHA1 of the name. */
function isHashOf(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const wanted = Buffer.from(hash, 'base64');
  const made = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return wanted.length === made.length && timingSafeEqual(wanted, made);
}

/** `*` and `?`; everything else, brackets too, means itself. */
function fits(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}$`, 's').test(name);
}
