/** Why a server could not be spoken to, in the words of whoever has to mend it. */
import { CcliError } from '../../../protocol/errors.ts';

export function unreachable(endpoint: string, error: unknown): CcliError {
  const code = codeOf(error);
  const cause = new Error(textOf(error));
  if (code.startsWith('HPE_'))
    return new CcliError(
      'cli_garbled',
      `What listens at ${endpoint} does not speak HTTP; check the endpoint of the agent.`,
      { cause },
    );
  return new CcliError(
    'endpoint_unreachable',
    `Ollama at ${endpoint} cannot be reached from this node: ${reasonOf(code)}; check that it runs and listens there (OLLAMA_HOST).`,
    { cause },
  );
}

export const hasCode = (error: unknown, code: string): boolean => codeOf(error) === code;

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at this address',
  ENOTFOUND: 'the name of its host is not known',
  EAI_AGAIN: 'the name of its host could not be looked up',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'its host does not answer',
};

function reasonOf(code: string): string {
  const known = REASONS[code];
  if (known !== undefined) return known;
  return TLS.test(code)
    ? 'no TLS connection could be made (its certificate is not trusted, or it speaks plain HTTP)'
    : 'the connection broke before it answered';
}

const TLS = /^ERR_(?:TLS|SSL)|CERT|^EPROTO$|SIGNATURE|ISSUER/;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** A host with several addresses fails with one error for each, and no text of its own. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(textOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
