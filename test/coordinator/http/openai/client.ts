/** The unmodified client of OpenAI against a fleet in this process, over a real socket. */
import OpenAI, { APIError } from 'openai';
import { type Api, testApi } from '../support/api.ts';

export interface ClientApi extends Api {
  readonly client: OpenAI;
}

/** What an error of the client names as its task. */
export const taskIdOf = (error: unknown): unknown =>
  error instanceof APIError && error.headers instanceof Headers
    ? error.headers.get('x-ccli-task-id')
    : undefined;

/** With one scripted agent, `walnut-echo`, unless others are named. */
export async function clientApi(agents?: readonly Record<string, unknown>[]): Promise<ClientApi> {
  const api = await testApi({}, agents);
  // It would hide a failure behind another try.
  const client = new OpenAI({ apiKey: 'any', baseURL: `${api.url}/v1`, maxRetries: 0 });
  return { ...api, client };
}
