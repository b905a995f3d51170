import { expect, test } from 'vitest';
import {
  agentKey,
  blobTask,
  NAME_PATTERN,
  NODE_VERBS,
  names,
  nodeOf,
  parseAgentKey,
  parseTaskKey,
  promptBlob,
  REGISTRATION_KEY,
  resultBlob,
  TASK_ID_PATTERN,
  TASK_RECORDS,
  taskKey,
  uploadBlob,
} from '../../protocol/subjects.ts';

test('every name on NATS begins with the prefix of its fleet', () => {
  const built = names('lab2');
  const {
    node,
    advert,
    report,
    output,
    taskOutput,
    taskEvent,
    nodeEvent,
    agentEvent,
    placementEvent,
    ...fixed
  } = built;
  expect(fixed).toEqual({
    prefix: 'lab2',
    allAdverts: 'lab2.node.*.advert',
    allReports: 'lab2.node.*.report',
    allOutput: 'lab2.node.*.output.*.*',
    allEvents: 'lab2.event.>',
    reportsStream: 'LAB2_REPORTS',
    reportsConsumer: 'fold',
    outputStream: 'LAB2_OUTPUT',
    eventsStream: 'LAB2_EVENTS',
    tasksBucket: 'lab2_tasks',
    agentsBucket: 'lab2_agents',
    controlBucket: 'lab2_control',
    blobsBucket: 'lab2_blobs',
  });
  expect(NODE_VERBS.map(verb => node('walnut', verb))).toEqual(
    NODE_VERBS.map(verb => `lab2.node.walnut.${verb}`),
  );
  expect(advert('walnut')).toBe('lab2.node.walnut.advert');
  expect(report('walnut')).toBe('lab2.node.walnut.report');
  expect(output('walnut', 't1', 2)).toBe('lab2.node.walnut.output.t1.2');
  expect(taskOutput('t1')).toBe('lab2.node.*.output.t1.*');
  expect(taskEvent('t1')).toBe('lab2.event.task.t1');
  expect(nodeEvent('walnut')).toBe('lab2.event.node.walnut');
  expect(agentEvent('walnut', 'llama3')).toBe('lab2.event.agent.walnut.llama3');
  expect(placementEvent('t1', 2)).toBe('lab2.event.placement.t1.2');
});

test('without a prefix the fleet is called ccli', () => {
  expect(names().allAdverts).toBe('ccli.node.*.advert');
});

test.each(['', 'Ccli', '1st', 'a.b', 'a*', 'a>', 'a b', 'a-b', 'a'.repeat(32), 'é'])(
  'the prefix %j is refused',
  prefix => {
    expect(() => names(prefix)).toThrow(RangeError);
  },
);

test('the node of an advert, a report and a chunk is read from their subject', () => {
  const built = names('ccli');
  for (const subject of [built.advert('walnut'), built.report('walnut'), built.output('walnut', 't1', 1)])
    expect(nodeOf('ccli', subject)).toBe('walnut');
});

test.each([
  'other.node.walnut.report',
  'ccli.node.walnut',
  'ccli.node..report',
  'ccli.node.WALNUT.report',
  'ccli.node.*.report',
  'ccli.event.walnut.report',
  'ccli',
  '',
])('no node is read from %j', subject => {
  expect(nodeOf('ccli', subject)).toBeUndefined();
});

test('a key of the bucket of agents names a node and its agent', () => {
  expect(parseAgentKey(agentKey('walnut', 'llama3'))).toEqual({ node: 'walnut', agent_id: 'llama3' });
});

test.each([
  REGISTRATION_KEY,
  '',
  '.',
  'walnut.',
  '.llama3',
  'walnut.llama3.more',
  'WALNUT.llama3',
  'walnut.*',
])('the key %j names no agent', key => {
  expect(parseAgentKey(key)).toBeUndefined();
});

test('a key of the tasks bucket names its task and record', () => {
  for (const record of TASK_RECORDS)
    expect(parseTaskKey(taskKey('Task_1-x', record))).toEqual({ task_id: 'Task_1-x', record });
});

test.each(['t1', 't1.', '.state', 't1.states', 't1.state.x', 'a b.state', `${'t'.repeat(65)}.state`, ''])(
  'the key %j is none of ours',
  key => {
    expect(parseTaskKey(key)).toBeUndefined();
  },
);

test('slices of each prompt, of an upload and of each attempt’s answer are different objects of one task', () => {
  const names = [
    promptBlob('t1', 'ab'.repeat(32), 0),
    promptBlob('t1', 'cd'.repeat(32), 0),
    uploadBlob('t1', 0),
    resultBlob('t1', 2, 3),
  ];
  expect(names).toEqual([
    't1.prompt.abababababababab.0',
    't1.prompt.cdcdcdcdcdcdcdcd.0',
    't1.upload.0',
    't1.result.2.3',
  ]);
  expect(names.map(blobTask)).toEqual(['t1', 't1', 't1', 't1']);
});

test.each(['notes.txt', 't1', '.prompt.0', 'a b.result.1.0', ''])('the object %j is none of ours', name => {
  expect(blobTask(name)).toBeUndefined();
});

test.each(['a.b', 'a*', 'a>', 'a b', 'a/b', '', '..', 'é'])('%j is neither a name nor a task id', text => {
  expect(NAME_PATTERN.test(text)).toBe(false);
  expect(TASK_ID_PATTERN.test(text)).toBe(false);
});

test('a name with a line break behind it is refused', () => {
  expect(NAME_PATTERN.test('walnut\n')).toBe(false);
  expect(TASK_ID_PATTERN.test('t1\n')).toBe(false);
});
