import type { Context } from 'hono';
import { CcliError } from '../../../protocol/errors.ts';
import type { DoorEnv } from '../door.ts';
import { jsonBody } from '../json-body.ts';
import type { Body } from './parameters.ts';

/** @throws CcliError `unsupported_media_type`, `invalid_request` */
export async function openAiBody(c: Context<DoorEnv>): Promise<Body> {
  const body = await jsonBody(c);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body };
  throw new CcliError('invalid_request', 'The body must be a JSON object.');
}
