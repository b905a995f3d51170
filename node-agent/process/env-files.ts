/** Secrets that reach a tool as variables: each is read from its file when the tool starts, and kept nowhere. */
import { open } from 'node:fs/promises';
import { findCredential, isCredential } from '../../protocol/daemon/credential.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';

interface Secretive {
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly env_files: Readonly<Record<string, string>>;
}

/** More than any key or token has. */
const MAX_SECRET_BYTES = 65_536;

/**
 * The agent as its tool is to see it: `env` with what stands in `env_files`. To be used at once and not kept.
 *
 * @throws CcliError `config_invalid` naming the variable and the file, never what stands in it
 */
export async function withSecrets<T extends Secretive>(agent: T, environment: Environment): Promise<T> {
  const names = Object.entries(agent.env_files);
  if (names.length === 0) return agent;
  const secrets: Record<string, string> = {};
  for (const [variable, place] of names) {
    const fail = (problem: string, cause?: unknown): CcliError =>
      new CcliError('config_invalid', `${variable} of agent ${agent.id}: ${problem}.`, { cause });
    const file = isCredential(place) ? findCredential(place, environment) : place;
    if (typeof file !== 'string') throw fail(file.problem);
    secrets[variable] = await readSecret(file, fail);
  }
  return { ...agent, env: { ...agent.env, ...secrets } };
}

async function readSecret(
  file: string,
  fail: (problem: string, cause?: unknown) => CcliError,
): Promise<string> {
  let text: string;
  try {
    await using handle = await open(file);
    const { mode, size } = await handle.stat();
    if ((mode & 0o007) !== 0)
      throw fail(`everybody on this host can get at ${file}; run \`chmod o= ${file}\``);
    if (size > MAX_SECRET_BYTES) throw fail(`${file} is too large for a variable`);
    text = await handle.readFile('utf8');
  } catch (cause) {
    throw cause instanceof CcliError ? cause : fail(`${file} cannot be read`, cause);
  }
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '' || secret.includes('\0')) throw fail(`what stands in ${file} is no value for a variable`);
  return secret;
}
