import { expect, test } from 'vitest';
import { createStock } from '../../../node-agent/drivers/acp/stock.ts';

/** A stock of numbers, each made when the test says so. */
function numbers(enough: number) {
  const made: { resolve: (made: number) => void; reject: (error: Error) => void }[] = [];
  const stock = createStock({
    enough,
    open: () =>
      new Promise<number>((resolve, reject) => {
        made.push({ resolve, reject });
      }),
    alive: () => true,
  });
  return { stock, made };
}

test('a task that finds nothing ready gets the session that is on its way', async () => {
  const { stock, made } = numbers(1);
  const filled = stock.replenish();
  const taken = stock.take();
  expect(made).toHaveLength(1);
  made[0]?.resolve(1);
  expect(await taken).toBe(1);
  made[1]?.resolve(2);
  await filled;
  expect(await stock.take()).toBe(2);
});

test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
  'tasks that come %i turns after the last session was begun get one each',
  async turns => {
    let made = 0;
    const open = (): Promise<number> => Promise.resolve((made += 1));
    const stock = createStock({ enough: 1, open, alive: () => true });
    const filled = stock.replenish();
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    const [one, other] = await Promise.all([stock.take(), stock.take()]);
    expect(one).not.toBe(other);
    await filled;
  },
);

test('a session that cannot be made fails the task that waits for it', async () => {
  const { stock, made } = numbers(1);
  const filled = stock.replenish();
  const taken = stock.take();
  made[0]?.reject(new Error('no'));
  const ends = await Promise.allSettled([filled, taken]);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});
