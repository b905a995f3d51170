/** How full the stores are, as the coordinator counts it. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { fail, ok, type Verdict, warn } from '../../../protocol/finding.ts';
import { STORE_FULL_SHARE } from '../../../protocol/limits.ts';
import type { FleetStatus } from '../../../protocol/operation.ts';
import { type Fill, mib, share } from '../judge/jetstream.ts';
import type { FleetContext } from './context.ts';

export const storesCheck: Check<FleetContext> = {
  id: 'stores',
  title: 'the room in the stores',
  limit_ms: 8_000,
  needs: ['coordinator'],
  run: async ({ status }) => judgeStores((await status()).store),
};

/** From here on somebody should see to it, before new tasks are refused. */
const FILLING_UP = 0.7;
const STORES = ['tasks', 'blobs', 'reports'] as const;

export function judgeStores(store: FleetStatus['store']): readonly Verdict[] {
  const fills = STORES.map(name => {
    const fill: Fill = { used_bytes: store[name].bytes, limit_bytes: store[name].max_bytes };
    const percent = Math.round(share(fill) * 100);
    return { name, fill, text: `${name} ${percent} % of ${mib(fill.limit_bytes)}` };
  });
  const found = fills.flatMap(({ name, fill, text }) => {
    const mend = `Raise \`store.${name}\` of the coordinator, or keep less with \`history\`.`;
    if (share(fill) >= STORE_FULL_SHARE)
      return [fail(`The store is full, and new tasks are refused: ${text}.`, mend, { code: 'store_full' })];
    if (share(fill) >= FILLING_UP)
      return [
        warn(`The store fills up: ${text}; new tasks are refused above ${STORE_FULL_SHARE * 100} %.`, mend),
      ];
    return [];
  });
  return found.length > 0 ? found : [ok(`There is room: ${fills.map(({ text }) => text).join(', ')}.`)];
}
