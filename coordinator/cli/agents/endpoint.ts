/** The address of an Ollama server, in whichever of the notations that lists of servers use. */
import { API_PATH } from '../../../protocol/agent.ts';

const DEFAULT_PORT = 11_434;

export interface Address {
  /** Not checked any further than it had to be understood. */
  readonly endpoint: string;
  /** What of it was left out. */
  readonly remark?: string;
  readonly problem?: string;
}

/**
 * `walnut`, `walnut:11434`, `http://walnut:11434/`: without a scheme as Ollama's own tools read it, with one as a URL.
 *
 * @param beside a port that stands beside the address
 */
export function addressOf(written: string, beside?: unknown): Address {
  const text = written.trim();
  const parts = /^(?:([a-z][a-z\d+.-]*):\/\/)?(\[[^\]]*\]|[^:/?#@\s]+)(?::(\d+))?(\/.*)?$/i.exec(text);
  if (parts === null) return { endpoint: text };
  const [, scheme, host = '', inside, rest = ''] = parts;
  const outside = portOf(beside);
  if (beside !== undefined && outside === undefined)
    return { endpoint: text, problem: `port ${JSON.stringify(beside)} is no port` };
  if (inside !== undefined && outside !== undefined && Number(inside) !== outside)
    return { endpoint: text, problem: `${text} and port ${outside} contradict each other` };
  const port = inside ?? outside ?? (scheme === undefined ? DEFAULT_PORT : undefined);
  const path = rest.replace(/\/+$/, '');
  const base = path.replace(API_PATH, '');
  return {
    endpoint: `${scheme ?? 'http'}://${host}${port === undefined ? '' : `:${port}`}${base}`,
    ...(base !== path && { remark: `${path.slice(base.length)} was left off its endpoint` }),
  };
}

function portOf(value: unknown): number | undefined {
  const port = typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  return typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535 ? port : undefined;
}
