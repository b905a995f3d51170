/** An answer to a request that never reaches a server. */
import type { ErrorCode } from '../../protocol/errors.ts';

interface Refusal {
  readonly http: number;
  /** Of JSON-RPC. */
  readonly code: number;
  readonly message: string;
  /** Of our own table, where it has one. */
  readonly reason?: ErrorCode;
}

export const rpcError = ({ http, code, message, reason }: Refusal): Response =>
  Response.json(
    {
      jsonrpc: '2.0',
      error: { code, message, ...(reason !== undefined && { data: { code: reason } }) },
      id: null,
    },
    { status: http, ...(http === 405 && { headers: { allow: 'POST' } }) },
  );

export const PARSE_ERROR = -32_700;
export const SERVER_ERROR = -32_000;
export const SESSION_UNKNOWN = -32_001;
