/** Plain HTTP, with as little of a client as there can be: what is measured is the door. */
import { Agent, request } from 'node:http';
import { CcliError } from '../../../protocol/errors.ts';

export interface HttpCaller {
  /** The body of the answer. @throws CcliError when its status is not 2xx */
  call(method: 'GET' | 'POST', path: string, body?: object): Promise<string>;
  close(): void;
}

export function createHttpCaller(base: string, in_flight: number): HttpCaller {
  const agent = new Agent({ keepAlive: true, maxSockets: in_flight });
  const call = (method: string, path: string, body?: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        }),
      };
      const asked = request(`${base}${path}`, { method, agent, headers }, response => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const said = Buffer.concat(parts).toString();
          const { statusCode = 0 } = response;
          if (statusCode >= 200 && statusCode < 300) resolve(said);
          else reject(new CcliError('internal', `${method} ${path} answered ${statusCode}: ${said}`));
        });
      });
      asked.on('error', reject);
      asked.end(text);
    });
  return {
    call,
    close: () => {
      agent.destroy();
    },
  };
}
