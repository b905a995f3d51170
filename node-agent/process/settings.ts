/** The settings a gemini process of ours runs with: the operator's own, with what the daemon depends on put over them. */
import type { ToolPolicy } from '../../protocol/agent.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';

type Settings = Readonly<Record<string, unknown>>;

/** Which sign-in the CLI is to use, read from the variables that the process gets; undefined leaves it to the settings. */
export function authFromEnvironment(environment: Environment): string | undefined {
  if (environment['GOOGLE_GENAI_USE_VERTEXAI'] === 'true' || environment['GOOGLE_GENAI_USE_VERTEXAI'] === '1')
    return 'vertex-ai';
  return environment['GEMINI_API_KEY'] ? 'gemini-api-key' : undefined;
}

/** The sign-in that settings name. */
export const selectedAuth = (settings: Settings): string | undefined => {
  const type = object(object(settings['security'])['auth'])['selectedType'];
  return typeof type === 'string' ? type : undefined;
};

/** What the operator may decide otherwise: the CLI's own guess that an answer repeats itself cuts honest ones short. */
const DEFAULTS: Settings = { model: { disableLoopDetection: true } };

export function forceSettings(own: Settings, auth: string, policy: ToolPolicy): Settings {
  const forced: Settings = {
    general: {
      enableAutoUpdate: false,
      enableAutoUpdateNotification: false,
      // Waiting and retrying are the coordinator's: the CLI's own retries block for minutes in silence. 0 means 10.
      maxAttempts: 1,
      retryFetchErrors: false,
      sessionRetention: { enabled: true, maxAge: '1d' },
    },
    privacy: { usageStatisticsEnabled: false },
    telemetry: { enabled: false },
    ide: { enabled: false },
    security: { auth: { selectedType: auth } },
  };
  // Each session would start these servers, and no call to them could be allowed.
  const { mcpServers: _servers, ...withoutServers } = own;
  return merge(merge(DEFAULTS, policy === 'deny' ? withoutServers : own), forced);
}

/** JSON with comments, as the CLI itself accepts it. */
export function parseSettings(text: string): Settings {
  const bare = text.replace(/"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, part =>
    part.startsWith('"') ? part : '',
  );
  const value: unknown = JSON.parse(bare.trim() === '' ? '{}' : bare);
  if (!isObject(value)) throw new Error('expected an object of settings');
  return value;
}

function merge(under: Settings, over: Settings): Settings {
  const merged: Record<string, unknown> = { ...under };
  for (const [name, value] of Object.entries(over))
    merged[name] = isObject(value) ? merge(object(merged[name]), value) : value;
  return merged;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});
