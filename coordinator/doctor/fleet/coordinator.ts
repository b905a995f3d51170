/** Whether a coordinator answers, and one leads. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { judgeCoordinator } from '../judge/coordinator.ts';
import type { FleetContext } from './context.ts';

export const coordinatorCheck: Check<FleetContext> = {
  id: 'coordinator',
  title: 'the coordinator',
  limit_ms: 8_000,
  late: 'no_coordinator',
  needs: ['nats'],
  async run({ status, clock }) {
    const began = clock();
    return judgeCoordinator(await status(), clock() - began);
  },
};
