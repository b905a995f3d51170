/** A fleet with its HTTP door open, and calls to it over a real socket. */
import { HttpSettingsSchema } from '../../../../coordinator/http/settings.ts';
import { scriptedAgent, type TestFleet, testFleet } from '../../../support/fleet.ts';

type Limits = ReturnType<typeof HttpSettingsSchema.parse>['limits'];

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Whatever JSON came: the test says what it should look like.
  readonly body: Record<string, unknown>;
}

export interface Api {
  readonly fleet: TestFleet;
  readonly url: string;
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Answer>;
  readonly post: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>;
}

/** With one scripted agent, `walnut-echo`, unless others are named. @param settings of its node */
export async function testApi(
  limits: Partial<Limits> = {},
  agents: readonly Record<string, unknown>[] = [scriptedAgent('walnut-echo')],
  settings: Record<string, unknown> = {},
): Promise<Api> {
  const defaults = HttpSettingsSchema.parse({}).limits;
  const fleet = await testFleet({ http: { enabled: true, limits: { ...defaults, ...limits } } });
  await fleet.startNode({ agents, settings });
  for (const { id } of agents) if (typeof id === 'string') await fleet.agentReady(id);
  const url = fleet.coordinator.http_url;
  if (url === undefined) throw new Error('the door is closed');

  const call = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : { text },
    };
  };
  return {
    fleet,
    url,
    get: (path, headers = {}) => call(path, { headers }),
    post: (path, body, headers = {}) =>
      call(path, {
        method: 'POST',
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
  };
}

/** A prompt that tells the scripted agent what to do. */
export const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;
