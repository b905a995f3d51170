/** Errors as the results of tools: for the model that called, which is to read what went wrong and what to do. */
import type { CallToolResult } from '@modelcontextprotocol/server';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';

/** Where a program finds the error of a failed call: structured content would have to fit the tool's output schema. */
const ERROR_META_KEY = 'ccli/error';

export function failure(thrown: unknown, log: Log): CallToolResult {
  if (!(thrown instanceof CcliError))
    log.error('unexpected_error', { what: 'an MCP call', ...errorFields(thrown) });
  const error = toErrorBody(thrown);
  return {
    content: [{ type: 'text', text: `${error.code}: ${error.message}${advice(error)}` }],
    isError: true,
    _meta: { [ERROR_META_KEY]: error },
  };
}

function advice({ retry_after_ms }: { readonly retry_after_ms?: number | undefined }): string {
  return retry_after_ms === undefined || retry_after_ms === 0
    ? ''
    : ` Try again in ${Math.ceil(retry_after_ms / 1_000)} s.`;
}
