/** Secrets that go to a host: read from files here, written to files there, and shown nowhere. */
import { readFile } from 'node:fs/promises';
import { CcliError } from '../../protocol/errors.ts';

export const CREDENTIAL_NAMES = {
  nats_credentials: 'nats.creds',
  nats_token: 'nats-token',
  gemini_api_key: 'gemini-api-key',
} as const;
export type CredentialKind = keyof typeof CREDENTIAL_NAMES;

export interface Credential {
  readonly kind: CredentialKind;
  readonly name: string;
  readonly content: string;
}

/** @throws CcliError `config_invalid` naming the file */
export async function readCredentials(
  files: Readonly<Partial<Record<CredentialKind, string | undefined>>>,
): Promise<Credential[]> {
  const credentials: Credential[] = [];
  for (const [kind, name] of entries(CREDENTIAL_NAMES)) {
    const file = files[kind];
    if (file === undefined) continue;
    credentials.push({ kind, name, content: await readSecret(file) });
  }
  return credentials;
}

const entries = <K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] =>
  Object.entries(record) as [K, V][];

async function readSecret(file: string): Promise<string> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CcliError('config_invalid', `The file ${file} cannot be read.`, { cause });
  }
  if (content.trim() === '' || content.includes('\0'))
    throw new CcliError('config_invalid', `The file ${file} holds no secret: it is empty, or no text.`);
  return content;
}
