/** The requests that the options of `ccli agents register` and `update` make. */
import { CcliError } from '../../../protocol/errors.ts';
import type { OperationRequest } from '../../../protocol/operation.ts';
import type { RegisterFlags, SettingFlags, UpdateFlags } from './flags.ts';
import type { RegisterRequest } from './wanted.ts';

/** @throws CcliError `invalid_request` */
export function registerRequest(agent_id: string, flags: RegisterFlags): RegisterRequest {
  return {
    agent_id,
    canary: flags.canary,
    ...(flags.node !== undefined && { node: flags.node }),
    ...settings(flags),
    ...(flags.disabled === true && { enabled: false }),
    ...ollamaTarget(flags),
  };
}

function ollamaTarget({
  endpoint,
  model,
  keepAlive,
  option,
}: RegisterFlags): Pick<RegisterRequest, 'ollama'> {
  if ([endpoint, model, keepAlive, option].every(value => value === undefined)) return {};
  if (endpoint === undefined || model === undefined) {
    throw new CcliError(
      'invalid_request',
      `An Ollama model needs --endpoint and --model; ${endpoint === undefined ? '--endpoint' : '--model'} is missing.`,
    );
  }
  return {
    ollama: {
      endpoint,
      model,
      ...(keepAlive !== undefined && { keep_alive: keepAlive }),
      ...(option !== undefined && { options: option }),
    },
  };
}

/** @throws CcliError `invalid_request` */
export function updateRequest(agent_id: string, flags: UpdateFlags): OperationRequest<'update'> {
  const given = settings(flags);
  const reset = flags.reset ?? [];
  const both = reset.find(field => field in given);
  if (both !== undefined)
    throw new CcliError('invalid_request', `${both} can be set or given back, not both at once.`);
  if (reset.length === 0 && Object.keys(given).length === 0) {
    throw new CcliError(
      'invalid_request',
      'Nothing to change was named; see `ccli agents update --help`. Another endpoint or model: register it anew.',
    );
  }
  return {
    agent_id,
    ...(flags.node !== undefined && { node: flags.node }),
    ...given,
    ...Object.fromEntries(reset.map(field => [field, null])),
  };
}

const settings = (flags: SettingFlags) => ({
  ...(flags.specialty !== undefined && { specialty: flags.specialty }),
  ...(flags.label !== undefined && { labels: flags.label }),
  ...(flags.maxConcurrent !== undefined && { max_concurrent: flags.maxConcurrent }),
  ...(flags.priority !== undefined && { priority: flags.priority }),
  ...(flags.expectedVersion !== undefined && { expected_version: flags.expectedVersion }),
  ...(flags.sshFallback !== undefined && { ssh_fallback: flags.sshFallback }),
});
