/** Whether what a node's probe found lets an agent be registered. */
import type { ProbeReply } from '../protocol/control.ts';
import { CcliError, ERRORS, type ErrorBody } from '../protocol/errors.ts';

/** @throws CcliError of the finding's own code: `cli_missing`, `cli_not_signed_in`, `version_mismatch`, … */
export function refuseFinding(node: string, found: ProbeReply): void {
  const { agent_id, health, problem, canary_error } = found;
  const refuse = ({ code, message }: Pick<ErrorBody, 'code' | 'message'>, what = ''): never => {
    throw new CcliError(code, `${agent_id} on ${node} was not registered. ${what}${message}`);
  };
  if (health === 'unavailable') refuse(problem ?? { code: 'cli_crashed', message: ERRORS.cli_crashed.says });
  if (health === 'starting') refuse({ code: 'agent_starting', message: ERRORS.agent_starting.says });
  if (canary_error !== undefined) refuse(canary_error, 'The canary prompt failed: ');
}
