/** The body of a request as JSON, for handlers that check it themselves. */
import type { Context } from 'hono';
import { CcliError } from '../../protocol/errors.ts';
import type { DoorEnv } from './door.ts';

const JSON_TYPE = /^application\/([\w!#$&^.+-]+\+)?json$/i;
const CHARSET = /^charset\s*=\s*(.*)$/i;
const UTF_8 = /^("?)utf-?8\1$/i;

/** Whether it names JSON in UTF-8, the one encoding JSON has. */
export function isJson(content_type: string | undefined): boolean {
  const [type = '', ...parameters] = (content_type ?? '').split(';').map(part => part.trim());
  const charsets = parameters.flatMap(parameter => CHARSET.exec(parameter)?.slice(1) ?? []);
  return JSON_TYPE.test(type) && charsets.every(charset => UTF_8.test(charset));
}

/** @throws CcliError `unsupported_media_type`, `invalid_request` */
export async function jsonBody(c: Context<DoorEnv>): Promise<unknown> {
  if (!isJson(c.req.header('content-type'))) throw new CcliError('unsupported_media_type');
  try {
    return await c.req.json<unknown>();
  } catch {
    throw new CcliError('invalid_request', 'The body is not valid JSON; mend it.');
  }
}
