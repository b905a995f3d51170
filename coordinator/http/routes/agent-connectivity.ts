/** Why an agent that was to be registered is not: what the fleet found when it looked at it. */
import type { Context } from 'hono';
import { CcliError, type ErrorBody, type ErrorCode, toErrorBody } from '../../../protocol/errors.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import type { DoorEnv } from '../door.ts';
import { problem } from '../openapi-problem.ts';
import { PROBLEM_TYPE, problemHeaders, problemOf } from '../problem.ts';
import type { RegisterCli } from '../views/agent-request.ts';

/** Which say nothing of the agent: the request is wrong, registration is not to be, or the fleet cannot serve now. */
const NOT_OF_THE_AGENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'invalid_request',
  'message_too_large',
  'unsupported_version',
  'registration_off',
  'registration_changed',
  'nats_unreachable',
  'nats_refused',
  'no_coordinator',
  'store_unavailable',
  'store_full',
  'store_newer',
  'store_damaged',
  'stale_epoch',
  'shutting_down',
  'internal',
]);

type Tool = 'CLI' | 'Ollama';

/** Of the routes that test: in a type that lets a handler answer with it, where others can only throw. */
export const connectivityProblem: { description: string; content: Record<string, object> } = problem(
  'The request is wrong, or the agent fails its connectivity test: then `code` is `connectivity_test_failed`, and `finding` tells with a code of its own what was found. Nothing was written.',
);

/**
 * What `register` answers; or, when the agent is found wanting, a problem that tells it: `finding` is the error with the
 * code that it has everywhere else.
 */
export async function testedConnectivity(
  c: Context<DoorEnv>,
  tool: Tool,
  register: () => Promise<Response>,
): Promise<Response> {
  try {
    return await register();
  } catch (error) {
    if (!(error instanceof CcliError) || NOT_OF_THE_AGENT.has(error.code)) throw error;
    const { cause, retry_after_ms } = error;
    const failed = new CcliError(
      'connectivity_test_failed',
      `${tool} agent connectivity test failed: ${error.message}`,
      { cause, ...(retry_after_ms !== undefined && { retry_after_ms }) },
    );
    const told = problemOf(failed, c.get('request_id'));
    const finding: ErrorBody = toErrorBody(error);
    return new Response(JSON.stringify({ ...told, finding }), {
      status: told.status,
      headers: { ...problemHeaders(told), 'content-type': PROBLEM_TYPE },
    });
  }
}

type Fact = readonly [field: string, claimed: string | number | undefined, real: string | number | undefined];

const bare = (version: string | undefined): string | undefined => version?.replace(/^v/, '');

function facts({ agent_type, model, cli_config }: RegisterCli, agent: AgentView): readonly Fact[] {
  const timeout_s = agent.timeout_ms / 1_000;
  return [
    ['agent_type', agent_type, agent.agent_type],
    ['model', model, agent.model],
    ['cli_config.node_path', cli_config.node_path, agent.node_path],
    ['cli_config.cli_path', cli_config.cli_path, agent.cli_path],
    ['cli_config.gemini_path', cli_config.gemini_path, agent.cli_path],
    ['cli_config.node_version', bare(cli_config.node_version), bare(agent.node_version)],
    ['cli_config.cli_version', cli_config.cli_version, agent.cli_version],
    ['cli_config.model', cli_config.model, agent.model],
    ['cli_config.command_timeout_s', cli_config.command_timeout_s, timeout_s],
  ];
}

/** Whether something is claimed that the node has not told: it may not have looked at its agent yet. */
export const isUntold = (request: RegisterCli, agent: AgentView): boolean =>
  facts(request, agent).some(([, claimed, real]) => claimed !== undefined && real === undefined);

/** Holds what the request says of the agent against what its node says. @throws CcliError `agent_differs` */
export function refuseFalseClaims(request: RegisterCli, agent: AgentView): void {
  const wrong = facts(request, agent).filter(
    ([, claimed, real]) => claimed !== undefined && claimed !== real,
  );
  if (wrong.length === 0) return;
  const said = wrong.map(([field, claimed, real]) =>
    real === undefined
      ? `${field} is given as ${claimed}, and ${agent.node} names none`
      : `${field} is given as ${claimed}, and on ${agent.node} it is ${real}`,
  );
  const mend = "Leave out what the node's own file decides, or mend that file";
  throw new CcliError('agent_differs', `${said.join('; ')}. ${mend}.`);
}
