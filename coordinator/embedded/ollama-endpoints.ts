/** The Ollama servers on which an embedded fleet lets agents be registered. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EndpointSchema } from '../../protocol/agent.ts';
import { check } from '../../protocol/codec.ts';
import { writeJson } from '../../protocol/daemon/atomic-file.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { valueOf } from './environment.ts';

const DEFAULT_PORT = 11_434;
const LOCAL = `http://127.0.0.1:${DEFAULT_PORT}`;

/** The one of this host, and those that were named. @throws CcliError `config_invalid` */
export function ollamaEndpoints(environment: Environment, named: readonly string[]): string[] {
  return [...new Set([localEndpoint(environment), ...named.map(endpoint)])];
}

const RememberedSchema = z.array(EndpointSchema);

/**
 * Those named now and at earlier starts in this state directory: the agents registered on them are in the store there,
 * and would not be permitted without them. Whoever wants one forgotten takes it out of the file.
 *
 * @throws CcliError `config_invalid`
 */
export async function rememberedEndpoints(state_dir: string, named: readonly string[]): Promise<string[]> {
  const file = join(state_dir, 'ollama-endpoints.json');
  const before = await readRemembered(file);
  const all = [...new Set([...before, ...named.map(endpoint)])];
  if (all.length > before.length) await writeJson(file, all);
  return all;
}

/** A slip of whoever has edited it must not cost what else is in it. */
async function readRemembered(file: string): Promise<readonly string[]> {
  try {
    return RememberedSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw new CcliError(
      'config_invalid',
      `${file} cannot be read: it holds a list of addresses like ["http://host:${DEFAULT_PORT}"]; mend or remove it.`,
      { cause },
    );
  }
}

function endpoint(url: string): string {
  try {
    return check(EndpointSchema, url);
  } catch (cause) {
    throw new CcliError(
      'config_invalid',
      `"${url}" is no address of an Ollama server; write it like http://host:${DEFAULT_PORT}.`,
      { cause },
    );
  }
}

/**
 * By `OLLAMA_HOST`, in the notations that Ollama itself takes: `host`, `host:port`, `:port`, `http://host:port`. What a
 * server listens on everywhere is reached on the loopback; what cannot be understood counts as not set.
 */
export function localEndpoint(environment: Environment): string {
  const set = valueOf(environment, 'OLLAMA_HOST')?.trim();
  if (set === undefined || set === '') return LOCAL;
  const scheme = /^https?:\/\//i.exec(set)?.[0].toLowerCase();
  const rest = set.slice(scheme?.length ?? 0).replace(/\/.*$/, '');
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(rest);
  if (parts === null || rest === '') return LOCAL;
  const [, host = '', port] = parts;
  const everywhere = host === '' || host === '0.0.0.0' || host === '[::]';
  // With a scheme, Ollama takes the port that the scheme stands for.
  const number = port ?? (scheme === undefined ? DEFAULT_PORT : scheme === 'https://' ? 443 : 80);
  const url = `${scheme ?? 'http://'}${everywhere ? '127.0.0.1' : host}:${number}`;
  return EndpointSchema.safeParse(url).success ? url : LOCAL;
}
