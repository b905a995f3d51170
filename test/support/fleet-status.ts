/** What a fleet of one free agent says about itself. */
import type { OperationReply } from '../../protocol/operation.ts';

export const FLEET_STATUS: OperationReply<'status'> = {
  version: '1',
  coordinator_id: 'fake',
  epoch: 1,
  fleet_id: 'f',
  role: 'leader',
  registration: 'open',
  discovered: 'allow',
  uptime_ms: 0,
  store: {
    tasks: { bytes: 0, max_bytes: 1 },
    blobs: { bytes: 0, max_bytes: 1 },
    reports: { bytes: 0, max_bytes: 1 },
  },
  nats: { server_version: '2.15.1', url: 'x', durability: 'power_cut' },
  nodes: { alive: 1, lost: 0 },
  agents: { available: 0, total: 1 },
  slots: { free: 0, total: 1 },
  tasks: { queued: 0, assigned: 0, running: 0, completed: 0, failed: 0, cancelled: 0 },
  malformed: { adverts: 0, reports: 0 },
};
