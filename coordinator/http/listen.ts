/** Takes the address, or says why it cannot be had. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { CcliError } from '../../protocol/errors.ts';
import { bare, urlHost } from './address.ts';

interface Address {
  readonly host: string;
  readonly port: number;
  readonly when_taken: 'fail' | 'any_port';
}

/**
 * @returns the URL it is reached at
 * @throws CcliError `address_in_use`, `config_invalid`
 */
export async function listen(server: Server, { host, port, when_taken }: Address): Promise<string> {
  const take = async (wanted: number): Promise<void> => {
    server.listen({ host: bare(host), port: wanted });
    await once(server, 'listening');
  };
  try {
    await take(port).catch(async (error: unknown) => {
      if (when_taken === 'fail' || codeOf(error) !== 'EADDRINUSE') throw error;
      await take(0);
    });
  } catch (cause) {
    throw refusal(cause, `${host}:${port}`);
  }
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${urlHost(host)}:${bound}`;
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

function refusal(cause: unknown, where: string): CcliError {
  if (codeOf(cause) === 'EADDRINUSE')
    return new CcliError(
      'address_in_use',
      `Something else listens on ${where}; stop it, or choose another address with http.port (CCLI_HTTP_PORT).`,
      { cause },
    );
  return new CcliError(
    'config_invalid',
    `The HTTP door cannot listen on ${where}; mend http.host and http.port, or switch it off with http.enabled.`,
    { cause },
  );
}
