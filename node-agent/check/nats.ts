/** Whether NATS is reached from here, and takes this node's credentials. */
import type { Check } from '../../protocol/daemon/checks.ts';
import { connect } from '../../protocol/daemon/connect.ts';
import { judgeNats, readNats } from '../../protocol/daemon/judge-nats.ts';
import { type CheckContext, configOf } from './context.ts';

export const natsCheck: Check<CheckContext> = {
  id: 'nats',
  title: 'the way to NATS',
  limit_ms: 10_000,
  late: 'nats_unreachable',
  needs: ['config'],
  async run(context) {
    const { nats, node } = configOf(context);
    const connection = await connect(nats, { name: `ccli-check ${node}`, patience: 'command' });
    try {
      return judgeNats(await readNats(connection, nats));
    } finally {
      await connection.close();
    }
  },
};
