/** The answer of a server that did not take a request. */
import type { IncomingMessage } from 'node:http';
import type { CcliError } from '../../../protocol/errors.ts';
import { judgeServerFailure, retryAfter, type ServerFailure } from './evidence.ts';
import { errorOf, parseJson, readText } from './reply.ts';

/** Whom an error speaks of. */
export type Who = Pick<ServerFailure, 'endpoint' | 'model' | 'agent_id'>;

export async function refusalOf(response: IncomingMessage, who: Who): Promise<CcliError> {
  const says = errorOf(parseJson(await readText(response)));
  const { statusCode: status, headers } = response;
  return judgeServerFailure({ ...who, status, says, retry_after_ms: retryAfter(headers) });
}
