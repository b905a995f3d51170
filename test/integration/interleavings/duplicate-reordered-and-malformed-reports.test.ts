import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { isTerminal } from '../../../protocol/task.ts';
import { callOperation } from '../../support/fleet.ts';
import { completed, failed, handNode } from '../../support/hand-node.ts';
import { expectEndedOnce, stage } from '../../support/stage.ts';
import { waitFor } from '../../support/wait.ts';

test('reports that come twice, and after the one that implies them, end a task once and with its first end', async () => {
  const fleet = await stage();
  await fleet.coordinator();
  const node = await handNode(fleet);
  for (const [task_id, first] of [
    ['well', completed('well', 1, 'the answer')],
    ['badly', failed('badly', 1)],
  ] as const) {
    await fleet.submit({ task_id, prompt: 'x' });
    await node.asked(task_id);
    await node.report(first);
    await node.report({ kind: 'started', task_id, attempt: 1 });
    await node.report(first);
    await node.report({ kind: 'started', task_id, attempt: 1 });
    await node.report(completed(task_id, 1, 'another answer'));
    await node.report(failed(task_id, 1));
    // Attempts that nobody has ever placed.
    await node.report(completed(task_id, 2, 'another answer'));
    await node.report({ kind: 'started', task_id, attempt: 99 });
  }
  await expectEndedOnce(fleet, 'well', { status: 'completed', text: 'the answer' });
  const state = await expectEndedOnce(fleet, 'badly', { status: 'failed' });
  expect(state.error?.code).toBe('task_timeout');
  expect(await fleet.result('badly')).toBeUndefined();
});

test('an answer whose slices come last, in the wrong order and twice, is whole in the end', async () => {
  const fleet = await stage();
  await fleet.coordinator();
  const node = await handNode(fleet);
  await fleet.submit({ task_id: 'sliced', prompt: 'x' });
  await node.asked('sliced');
  const parts = ['a', 'b', 'c'].map(letter => Buffer.from(letter.repeat(1_000)));
  const whole = Buffer.concat(parts);
  const ref = {
    slices: parts.length,
    size_bytes: whole.byteLength,
    sha256: createHash('sha256').update(whole).digest('hex'),
  };
  await node.report(completed('sliced', 1, { ref }));
  for (const index of [2, 0, 2, 1, 0]) {
    const data = parts[index]?.toString('base64') ?? '';
    await node.report({ kind: 'slice', task_id: 'sliced', attempt: 1, index, data });
  }
  await expectEndedOnce(fleet, 'sliced', { status: 'completed' });
  const slices = await Promise.all(
    parts.map((_, index) => callOperation(fleet.connection, 'download', { task_id: 'sliced', index })),
  );
  expect(slices.map(({ data }) => Buffer.from(data, 'base64').toString())).toEqual(parts.map(String));
});

test('malformed reports are counted and dropped, newer ones are kept for who knows them, and the rest are folded', async () => {
  const fleet = await stage();
  await fleet.coordinator();
  const node = await handNode(fleet);
  await fleet.submit({ task_id: 'amid', prompt: 'x' });
  await node.asked('amid');
  const report = JSON.stringify({
    v: 1,
    node: 'byhand',
    instance_id: 'i',
    ...completed('amid', 1, 'forged'),
  });
  const malformed = [
    '',
    'garbage',
    '[]',
    'null',
    report.slice(0, -1),
    report.replace('"byhand"', '"walnut"'),
    report.replace('"attempt":1', '"attempt":"1"'),
    report.replace('"attempt":1', '"attempt":1e999'),
    report.replace('"completed"', '"perfect"'),
    report.replace('"v":1', '"v":0'),
    new Uint8Array([0xff, 0xfe, 0x7b]),
  ];
  for (const bytes of malformed) await node.publish(bytes);
  const newer = report.replace('"v":1', '"v":2');
  await node.publish(newer);
  await node.report({ kind: 'started', task_id: 'amid', attempt: 1 });
  await node.report(completed('amid', 1, 'the answer'));
  const state = await fleet.ended('amid');
  expect(state.status).toBe('completed');
  expect((await fleet.result('amid'))?.text).toEqual({ inline: 'the answer' });
  // The newer one alone is still there.
  await waitFor(async () => (await fleet.manager.streams.info('CCLI_REPORTS')).state.messages === 1);
  expect((await fleet.statuses('amid')).filter(isTerminal)).toEqual(['completed']);
  const { malformed: counted } = await callOperation(fleet.connection, 'status', {});
  expect(counted.reports).toBe(malformed.length);
});
