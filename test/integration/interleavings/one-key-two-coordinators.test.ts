import { expect, test } from 'vitest';
import { requestJson } from '../../../protocol/daemon/request.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { OPERATIONS } from '../../../protocol/operation.ts';
import { expectEndedOnce, stage } from '../../support/stage.ts';

test('one idempotency key submitted to two coordinators at once is one task, and both answer with it', async () => {
  const fleet = await stage();
  const coordinators = [await fleet.coordinator(), await fleet.coordinator()];
  await fleet.node();
  await fleet.submit({ task_id: 'warm-up', prompt: 'hello' });
  await fleet.ended('warm-up');
  // Both have decided that the task is new, and neither has written it.
  const writes = coordinators.map(({ proxy }) => proxy.breakAt('before', '$KV.ccli_tasks.*.request'));
  const reached = Promise.all(writes.map(write => write.reached)).then(() => true);
  const submit = () =>
    requestJson(fleet.connection, {
      subject: `ccli.${OPERATIONS.submit.subject}`,
      request: OPERATIONS.submit.request,
      reply: OPERATIONS.submit.reply,
      value: { idempotency_key: 'the key', prompt: 'hello' },
      timeout_ms: 30_000,
      onNobody: () => new CcliError('no_coordinator'),
    });
  const answers = [submit()];
  // The server chooses which of them gets a submit: until both have one.
  do answers.push(submit());
  while (!(await Promise.race([reached, fleet.connection.flush().then(() => false)])));
  for (const write of writes) write.resume();
  const tasks = await Promise.all(answers);
  const [task_id = ''] = new Set(tasks.map(task => task.task_id));
  expect(tasks.every(task => task.task_id === task_id)).toBe(true);
  const state = await expectEndedOnce(fleet, task_id, { status: 'completed', text: 'echo: hello' });
  expect(state.attempts).toHaveLength(1);
  const keys: string[] = [];
  for await (const key of await (await fleet.bucket('tasks')).keys('*.request')) keys.push(key);
  expect(keys.sort()).toEqual([`${task_id}.request`, 'warm-up.request'].sort());
});

test('two requests that differ under one id, submitted to two coordinators at once: one is the task, one is refused', async () => {
  const fleet = await stage();
  const coordinators = [await fleet.coordinator(), await fleet.coordinator()];
  await fleet.node();
  await fleet.submit({ task_id: 'warm-up', prompt: 'hello' });
  const writes = coordinators.map(({ proxy }) => proxy.breakAt('before', '$KV.ccli_tasks.mine.request'));
  const reached = Promise.all(writes.map(write => write.reached)).then(() => true);
  const submit = async (prompt: string): Promise<string> => {
    try {
      const { prompt_bytes } = await requestJson(fleet.connection, {
        subject: `ccli.${OPERATIONS.submit.subject}`,
        request: OPERATIONS.submit.request,
        reply: OPERATIONS.submit.reply,
        value: { task_id: 'mine', prompt },
        timeout_ms: 30_000,
        onNobody: () => new CcliError('no_coordinator'),
      });
      return String(prompt_bytes);
    } catch (error) {
      return error instanceof CcliError ? error.code : String(error);
    }
  };
  // Each a length of its own, so that an answer tells whose task it is.
  const answers: Promise<string>[] = [];
  do answers.push(submit('x'.repeat(answers.length + 1)));
  while (!(await Promise.race([reached, fleet.connection.flush().then(() => false)])));
  for (const write of writes) write.resume();
  const told = await Promise.all(answers);
  const accepted = told.filter(answer => answer !== 'idempotency_conflict');
  expect(accepted).toHaveLength(1);
  const text = `echo: ${'x'.repeat(Number(accepted[0]))}`;
  await expectEndedOnce(fleet, 'mine', { status: 'completed', text });
});
