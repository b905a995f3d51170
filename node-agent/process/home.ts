/** A home of its own for each gemini process: nothing it writes outlives it or meets another process. */
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ToolPolicy } from '../../protocol/agent.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { CliAgentConfig } from '../agent-config/cli.ts';
import { authFromEnvironment, forceSettings, parseSettings, selectedAuth } from './settings.ts';

export interface GeminiHome {
  readonly path: string;
  /** How the CLI is told to live there. */
  readonly environment: Readonly<Record<string, string>>;
  /** Arguments that the tool policy needs. */
  readonly args: readonly string[];
  /** Which sign-in it will use, as the CLI names it. */
  readonly auth: string;
  /** Whether what that sign-in needs was found. */
  readonly signed_in: 'yes' | 'no' | 'unknown';
  remove(): Promise<void>;
}

interface HomeOptions {
  readonly agent: Pick<CliAgentConfig, 'id' | 'home' | 'env' | 'pass_env'>;
  readonly environment: Environment;
  readonly state_dir: string;
  readonly policy: ToolPolicy;
  /** As in `v22.14.0`. */
  readonly node_version: string;
}

const API_KEY = 'gemini-api-key';
const PRIVATE = { mode: 0o600 } as const;
const SIGN_IN_FILES = ['oauth_creds.json', 'google_accounts.json', 'gemini-credentials.json'] as const;

/** No tool is offered to the model, and none it names all the same is run. */
const DENY_ALL = `[[rule]]
toolName = "*"
decision = "deny"
priority = 999
`;

/** @throws CcliError `config_invalid` when the operator's settings cannot be read. */
export async function makeGeminiHome(options: HomeOptions): Promise<GeminiHome> {
  const { agent, environment, state_dir, policy } = options;
  const homes = join(state_dir, 'homes');
  await mkdir(homes, { recursive: true, mode: 0o700 });
  const path = await mkdtemp(join(homes, `${agent.id}-`));
  try {
    const inside = join(path, '.gemini');
    const tmp = join(path, 'tmp');
    await Promise.all([mkdir(inside, { mode: 0o700 }), mkdir(tmp, { mode: 0o700 })]);
    const source = agent.home ?? join(environment['HOME'] ?? homedir(), '.gemini');
    const { auth, signed_in } = await seed(source, inside, { ...environment, ...agent.env }, policy);
    const policyFile = join(path, 'policy.toml');
    if (policy === 'deny') await writeFile(policyFile, DENY_ALL, PRIVATE);
    return {
      path,
      auth,
      signed_in,
      args: policy === 'deny' ? ['--policy', policyFile] : [],
      environment: {
        GEMINI_CLI_HOME: path,
        GEMINI_CLI_NO_RELAUNCH: 'true',
        GEMINI_CLI_TRUST_WORKSPACE: 'true',
        // Its crash reports hold prompts: they go when it goes.
        TMPDIR: tmp,
        ...(Number(/^v(\d+)/.exec(options.node_version)?.[1]) >= 22 && {
          NODE_COMPILE_CACHE: join(state_dir, 'compile-cache', options.node_version),
        }),
      },
      async remove() {
        await rm(path, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  } catch (error) {
    await rm(path, { recursive: true, force: true });
    throw error;
  }
}

async function seed(
  source: string,
  into: string,
  environment: Environment,
  policy: ToolPolicy,
): Promise<Pick<GeminiHome, 'auth' | 'signed_in'>> {
  const own = await readSettings(source);
  const dotenv = await readIfThere(join(source, '.env'));
  // With nothing named, a key is asked for: the CLI would try a gateway that nobody meant, or not start.
  const auth = authFromEnvironment(environment) ?? selectedAuth(own) ?? API_KEY;
  await writeFile(join(into, 'settings.json'), JSON.stringify(forceSettings(own, auth, policy)), PRIVATE);
  if (dotenv !== undefined) await writeFile(join(into, '.env'), dotenv, PRIVATE);
  if (auth !== API_KEY) {
    const copied = await copySignIn(source, into);
    return { auth, signed_in: copied ? 'yes' : 'unknown' };
  }
  const key =
    environment['GEMINI_API_KEY'] ?? /^\s*(?:export\s+)?GEMINI_API_KEY\s*=\s*(\S+)/m.exec(dotenv ?? '')?.[1];
  return { auth, signed_in: key === undefined || key === '' ? 'no' : 'yes' };
}

/** Whether there was anything to copy. */
async function copySignIn(source: string, into: string): Promise<boolean> {
  let copied = false;
  for (const name of SIGN_IN_FILES) {
    try {
      await copyFile(join(source, name), join(into, name));
      await chmod(join(into, name), PRIVATE.mode);
      copied = true;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return copied;
}

async function readSettings(source: string): Promise<Readonly<Record<string, unknown>>> {
  const file = join(source, 'settings.json');
  const text = await readIfThere(file);
  if (text === undefined) return {};
  try {
    return parseSettings(text);
  } catch (cause) {
    throw new CcliError('config_invalid', `The CLI's settings ${file} are not valid JSON; mend them.`, {
      cause,
    });
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new CcliError('config_invalid', `${file} cannot be read by the node-agent.`, { cause: error });
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
