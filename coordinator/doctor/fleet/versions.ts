import type { Check } from '../../../protocol/daemon/checks.ts';
import { judgeVersions } from '../judge/versions.ts';
import type { FleetContext } from './context.ts';

export const versionsCheck: Check<FleetContext> = {
  id: 'versions',
  title: 'the versions of what runs where',
  limit_ms: 8_000,
  needs: ['coordinator'],
  async run({ status, nodes, agents, version }) {
    const [{ version: coordinator }, known, tools] = await Promise.all([status(), nodes(), agents()]);
    return judgeVersions({ own: version, coordinator, nodes: known, agents: tools });
  },
};
