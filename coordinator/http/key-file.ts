/** The file of API keys: `<caller> <key>`, or `<caller> sha256:<hex of the key's hash>`, one a line. */
import { createHash } from 'node:crypto';
import { NameSchema } from '../../protocol/agent.ts';
import { CcliError } from '../../protocol/errors.ts';

export interface ApiKey {
  readonly caller: string;
  /** SHA-256 of the key. */
  readonly hash: Buffer;
}

/** Shorter ones can be guessed. */
const MIN_KEY_CHARS = 16;

export const hashKey = (key: string): Buffer => createHash('sha256').update(key).digest();

/** @throws CcliError `config_invalid` naming the lines that are wrong, never what stands in them */
export function parseKeys(text: string, file: string): readonly ApiKey[] {
  const problems: string[] = [];
  const keys = text.split(/\r?\n/).flatMap((line, index) => {
    const written = line.trim();
    if (written === '' || written.startsWith('#')) return [];
    const key = parseLine(written);
    if (typeof key !== 'string') return [key];
    problems.push(`  line ${index + 1}: ${key}`);
    return [];
  });
  if (problems.length > 0)
    throw new CcliError('config_invalid', `The keys in ${file} are wrong:\n${problems.join('\n')}`);
  if (keys.length === 0)
    throw new CcliError('config_invalid', `${file} has no key; write "<caller> <key>", one a line.`);
  return keys;
}

/** What is wrong with it, otherwise. */
function parseLine(line: string): ApiKey | string {
  const [caller = '', key, ...rest] = line.split(/\s+/);
  if (key === undefined || rest.length > 0) return 'write "<caller> <key>"';
  const name = NameSchema.safeParse(caller);
  if (!name.success) return 'the caller takes lower-case letters, digits, "-" and "_", at most 63';
  if (!key.startsWith('sha256:')) {
    return key.length < MIN_KEY_CHARS
      ? `a key takes at least ${MIN_KEY_CHARS} characters; \`openssl rand -hex 24\` makes one`
      : { caller, hash: hashKey(key) };
  }
  const hex = key.slice('sha256:'.length);
  return /^[0-9a-f]{64}$/i.test(hex)
    ? { caller, hash: Buffer.from(hex, 'hex') }
    : 'after "sha256:" come 64 hexadecimal digits';
}
