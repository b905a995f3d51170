/** Whether a CLI has what its sign-in needs, and what its operator is told when it has not. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { CliAgentConfig } from '../agent-config/cli.ts';
import { presetOf } from './effective.ts';
import type { Preset } from './preset.ts';

/**
 * Looks for the variables and files that the preset names. `unknown` where nothing is there and the sign-in may lie
 * elsewhere all the same.
 */
export async function findSignIn(
  agent: Pick<CliAgentConfig, 'agent_type'>,
  environment: Environment,
): Promise<'yes' | 'no' | 'unknown'> {
  const preset = presetOf(agent);
  if (preset === undefined) return 'unknown';
  const { env, files, shows } = preset.sign_in;
  if (env.some(name => (environment[name] ?? '') !== '')) return 'yes';
  const directory = homeOf(preset, environment);
  for (const file of files) {
    if (directory === undefined) break;
    const text = await readFile(join(directory, file.path), 'utf8').catch(() => undefined);
    if (text !== undefined && text.includes(file.holding ?? '')) return 'yes';
  }
  // On a Mac it may lie in the keychain, which cannot be looked into.
  return shows === 'prompt' && process.platform !== 'darwin' ? 'no' : 'unknown';
}

function homeOf({ home }: Preset, environment: Environment): string | undefined {
  if (home === undefined) return undefined;
  const named = home.variable === undefined ? undefined : environment[home.variable];
  if (named !== undefined && named !== '') return named;
  const parent = environment['HOME'];
  return parent === undefined ? undefined : join(parent, home.directory);
}

/** Nothing for a CLI that is not known. */
export const howToSignIn = (agent: Pick<CliAgentConfig, 'agent_type'>): string | undefined =>
  presetOf(agent)?.sign_in.how;

export function notSignedIn(agent: Pick<CliAgentConfig, 'id' | 'agent_type'>, cause?: unknown): CcliError {
  const how = howToSignIn(agent) ?? 'sign in there, or give it its key by `pass_env` or `env`';
  return new CcliError(
    'cli_not_signed_in',
    `The CLI of agent "${agent.id}" is not signed in on its node: ${how}.`,
    { cause },
  );
}

/** Whether what it printed says that it is not signed in. */
export const saysSignedOut = (agent: Pick<CliAgentConfig, 'agent_type'>, text: string): boolean =>
  presetOf(agent)?.sign_in.pattern?.test(text) === true;
