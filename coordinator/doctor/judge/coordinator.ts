import { fail, ok, type Verdict, warn } from '../../../protocol/finding.ts';
import type { FleetStatus } from '../../../protocol/operation.ts';

export function judgeCoordinator(status: FleetStatus, took_ms: number): readonly Verdict[] {
  const { coordinator_id, version, role, leader, epoch, malformed } = status;
  if (role === 'follower' && leader === undefined) {
    return [
      fail(
        `The coordinator ${coordinator_id} answers and no coordinator leads: tasks are accepted, and wait.`,
        'Wait for a takeover, which takes seconds; then look at the logs of the coordinators.',
        { code: 'no_coordinator', took_ms },
      ),
    ];
  }
  const who = role === 'leader' ? 'leads' : `stands by; ${leader ?? 'another one'} leads`;
  const unread = malformed.adverts + malformed.reports;
  return [
    ok(`The coordinator ${coordinator_id}, version ${version}, ${who}, epoch ${epoch}.`, { took_ms }),
    ...(unread === 0
      ? []
      : [
          warn(
            `${malformed.adverts} adverts and ${malformed.reports} reports could not be read.`,
            'The log of the coordinator names their nodes; bring those to the same version of ccli.',
          ),
        ]),
  ];
}
