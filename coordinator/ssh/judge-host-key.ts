/** Whether the key that a host shows is the one that is known for it. */
import { isFor, type KnownHost } from './known-hosts.ts';

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  /** Other keys are known for it; those of the same type first. */
  | { readonly kind: 'changed'; readonly known: readonly [KnownHost, ...KnownHost[]] }
  | { readonly kind: 'revoked'; readonly by: KnownHost }
  /** Only certificates of an authority are trusted for it, and we check none. */
  | { readonly kind: 'authority'; readonly by: KnownHost };

/**
 * @param names the first one decides; the second, the host without its port, confirms where the first has no key, as with
 *   OpenSSH: what listens at another port may be another machine
 * @param type and key as the host shows them, the key in base64
 */
export function judgeHostKey(
  entries: readonly KnownHost[],
  names: readonly string[],
  { type, key }: { readonly type: string; readonly key: string },
): HostKeyVerdict {
  const [name, ...others] = names;
  if (name === undefined) return { kind: 'unknown' };
  const here = entries.filter(entry => isFor(entry, name));
  const elsewhere = entries.filter(entry => others.some(other => isFor(entry, other)));
  const isSame = (entry: KnownHost): boolean => entry.key === key;

  const revoked = [...here, ...elsewhere].find(entry => entry.marker === 'revoked' && isSame(entry));
  if (revoked !== undefined) return { kind: 'revoked', by: revoked };
  const plain = (entry: KnownHost): boolean => entry.marker === undefined;
  const known = here.filter(plain);
  if ((known.length === 0 ? elsewhere.filter(plain) : known).some(isSame)) return { kind: 'known' };
  const [first, ...rest] = [
    ...known.filter(entry => entry.type === type),
    ...known.filter(entry => entry.type !== type),
  ];
  if (first !== undefined) return { kind: 'changed', known: [first, ...rest] };
  const authority = here.find(entry => entry.marker === 'cert-authority');
  return authority === undefined ? { kind: 'unknown' } : { kind: 'authority', by: authority };
}

/** Types of key by which the host can be known. */
export const knownTypes = (entries: readonly KnownHost[], names: readonly string[]): readonly string[] => [
  ...new Set(
    entries
      .filter(entry => entry.marker === undefined && names.some(name => isFor(entry, name)))
      .map(entry => entry.type),
  ),
];
