/** A door that nobody asks anything: enough to see which routes an app has. */
import { createAnswerBudget } from '../../../../coordinator/http/answer-budget.ts';
import type { Door } from '../../../../coordinator/http/door.ts';
import { HttpSettingsSchema } from '../../../../coordinator/http/settings.ts';
import { createStreamGate } from '../../../../coordinator/http/stream-gate.ts';
import type { Operations } from '../../../../coordinator/operations.ts';
import { createLog } from '../../../../protocol/daemon/log.ts';
import { OPERATIONS } from '../../../../protocol/operation.ts';

const nobody = (): never => {
  throw new Error('nobody asks here');
};

export const quietDoor = (): Door => ({
  // One of each name in the table; that it has them all is more than the type checker can see.
  operations: Object.fromEntries(
    Object.keys(OPERATIONS).map(name => [name, nobody]),
  ) as unknown as Operations,
  streams: { task: nobody, fleet: nobody, counts: { tasks: 0, readers: 0 }, close: () => Promise.resolve() },
  settings: HttpSettingsSchema.parse({ port: 0 }),
  streamGate: createStreamGate(1),
  answers: createAnswerBudget(1),
  unready: () => undefined,
  signal: new AbortController().signal,
  log: createLog({ level: 'silent', name: 'quiet' }),
});
