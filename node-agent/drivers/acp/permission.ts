/** Answers a tool's request for permission by policy: nobody is there to be asked. */
import type { RequestPermissionRequest, RequestPermissionResponse } from '@agentclientprotocol/sdk';
import type { ToolPolicy } from '../../../protocol/agent.ts';

export function decidePermission(
  policy: ToolPolicy,
  { toolCall, options }: RequestPermissionRequest,
): RequestPermissionResponse {
  const allowed = policy === 'yolo' || (policy === 'auto_edit' && toolCall.kind === 'edit');
  const option =
    // Never "always": that would outlive the task's own policy.
    (allowed ? options.find(one => one.kind === 'allow_once') : undefined) ??
    options.find(one => one.kind === 'reject_once') ??
    options.find(one => one.kind === 'reject_always');
  return option === undefined
    ? { outcome: { outcome: 'cancelled' } }
    : { outcome: { outcome: 'selected', optionId: option.optionId } };
}
