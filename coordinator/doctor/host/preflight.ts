/** What bootstrap looks at before it sets a host up. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import type { Wanted } from '../../bootstrap/facts.ts';
import { judge } from '../../bootstrap/judge.ts';
import { preflight } from '../../bootstrap/preflight.ts';
import { type HostContext, isInstalled } from './context.ts';

const wantedOf = ({ nats_url }: HostContext): Wanted => (nats_url === undefined ? {} : { nats_url });

/** Tells nothing itself: the others do. */
export const preflightCheck: Check<HostContext> = {
  id: 'preflight',
  title: 'what is on the host',
  limit_ms: 60_000,
  late: 'ssh_timeout',
  needs: ['ssh'],
  async run(context, signal) {
    context.learnt.facts = await preflight(context.host, wantedOf(context), signal);
    return [];
  },
};

export const hostCheck: Check<HostContext> = {
  id: 'host',
  title: 'whether it fits a node-agent',
  limit_ms: 5_000,
  needs: ['preflight'],
  run(context) {
    const { facts } = context.learnt;
    if (facts === undefined) return Promise.resolve([]);
    if (!isInstalled(context)) return Promise.resolve([...judge(facts, wantedOf(context))]);
    // Where a node is set up, it tells itself which tools it needs, whether they are signed in, and whether NATS takes
    // it; and its unit is looked at as it is.
    const found = judge({ ...facts, nats: undefined }, { gemini: false, brings_key: true, service: 'none' });
    return Promise.resolve(found.filter(({ outcome }) => outcome !== 'skipped'));
  },
};
