/** The link of `ccli mcp` to a fleet that comes and goes, with connections that are lost when they are told to. */
import { expect, onTestFinished, test } from 'vitest';
import type { Client } from '../../../coordinator/cli/client.ts';
import { createOnDemand } from '../../../coordinator/cli/on-demand.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';

const context = { caller: 'alice', signal: new AbortController().signal };
const lost = (): CcliError => new CcliError('nats_unreachable');

/** @param first what is asked of the first link; later ones answer */
function scripted(first: Record<string, () => Promise<unknown>>) {
  const closed: boolean[] = [];
  const fleet = createOnDemand(
    () => {
      const index = closed.push(false) - 1;
      const list = () => Promise.resolve({ tasks: [] });
      const client = {
        connection: { getServer: () => 'scripted', isClosed: () => closed[index] },
        names: {},
        operations: index === 0 ? { list, ...first } : { list },
        close: () => {
          closed[index] = true;
          return Promise.resolve();
        },
      };
      return Promise.resolve(client as unknown as Client);
    },
    createLog({ level: 'silent', name: 'test' }),
  );
  onTestFinished(() => fleet.close());
  return { fleet, closed };
}

test('a call that hears late of a lost link leaves the next one alone', async () => {
  const failures: ((error: Error) => void)[] = [];
  const list = () =>
    new Promise((_, reject) => {
      failures.push(reject);
    });
  const { fleet, closed } = scripted({ list });
  const early = fleet.operations.list({}, context);
  const late = fleet.operations.list({}, context);
  await Promise.resolve();
  await Promise.resolve();
  failures[0]?.(lost());
  await expect(early).rejects.toMatchObject({ code: 'nats_unreachable' });
  await fleet.operations.list({}, context);
  failures[1]?.(lost());
  await expect(late).rejects.toMatchObject({ code: 'nats_unreachable' });
  await fleet.operations.list({}, context);
  expect(closed).toEqual([true, false]);
});

test('a link whose loss a stream is the first to hear of is dropped', async () => {
  const { fleet, closed } = scripted({ get: () => Promise.reject(lost()) });
  const follow = async (): Promise<void> => {
    for await (const event of fleet.streams.task({ task_id: 't' }, context)) expect(event).toBeUndefined();
  };
  await expect(follow()).rejects.toMatchObject({ code: 'nats_unreachable' });
  await fleet.operations.list({}, context);
  expect(closed).toEqual([true, false]);
});
