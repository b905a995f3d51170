import { expect, test } from 'vitest';
import { EndpointSchema, LabelsSchema, ModelSchema, VersionRangeSchema } from '../../protocol/agent.ts';
import { RunRequestSchema } from '../../protocol/control.ts';
import { TaskOptionsSchema } from '../../protocol/task.ts';

test.each(['gemini-2.5-pro', 'hf.co/org/Model_x:Q4_K_M', 'm@2', 'a+b', '7', 'm'.repeat(255)])(
  'a model may be called %j',
  name => {
    expect(ModelSchema.parse(name)).toBe(name);
  },
);

test.each(['', '-y', '--yolo', ' m', 'm n', 'm\n', 'm;x', '{model}', './m', 'm'.repeat(256)])(
  'no task may ask for a model called %j, which could be an option of a command',
  model => {
    expect(TaskOptionsSchema.safeParse({ model }).success).toBe(false);
    const found = RunRequestSchema.safeParse({
      v: 1,
      instance_id: 'i1',
      fleet_id: 'f1',
      epoch: 1,
      task_id: 't1',
      attempt: 1,
      agent_id: 'one',
      prompt: { inline: 'x' },
      model,
    });
    expect(found.error?.issues.every(({ path }) => path[0] === 'model')).toBe(true);
  },
);

test.each([
  ['http://127.0.0.1:11434', 'http://127.0.0.1:11434'],
  ['http://gpu-7:11434/', 'http://gpu-7:11434'],
  ['https://ollama.example/team/a//', 'https://ollama.example/team/a'],
  ['http://[::1]:11434', 'http://[::1]:11434'],
  ['HTTP://WALNUT:11434/Team/', 'http://walnut:11434/Team'],
  ['http://walnut:80', 'http://walnut:80'],
  ['https://gateway/api/ollama', 'https://gateway/api/ollama'],
])('%j is an endpoint, known as %j', (url, known) => {
  expect(EndpointSchema.parse(url)).toBe(known);
});

test.each([
  '',
  'gpu-7:11434',
  'ftp://gpu-7',
  'http://',
  'http://user:secret@gpu-7:11434',
  'http://gpu-7:11434?key=secret',
  'http://gpu-7:11434#part',
  'http://gpu 7:11434',
  'http:///gpu-7:11434',
  'http://gpu-7\\@other:11434',
  'http://gpu-7:11434/api',
  'http://gpu-7:11434/api/generate/',
  'http://gpu-7:11434/v1/chat/completions',
  `http://${'h'.repeat(255)}`,
])('%j is no endpoint', url => {
  expect(EndpointSchema.safeParse(url).success).toBe(false);
});

test.each(['0.61.0', '^0.61.0', '>=0.60 <0.62', '1.x || 2.x', '2.0.0-rc.1+build.7', '*', 'x'])(
  '%j may be pinned to',
  range => {
    expect(VersionRangeSchema.parse(range)).toBe(range);
  },
);

const fittingAll = [' ', '||', '^1 ||', '|| ^1', '^1 || \t || ^2', '+-', ' +7', '^1 || +build'];
test.each(['', '0.61.0; rm', '$(x)', '{"a":1}', '1'.repeat(256), ...fittingAll])(
  '%j may not be pinned to',
  range => {
    expect(VersionRangeSchema.safeParse(range).success).toBe(false);
  },
);

test('labels are counted before they are looked at', () => {
  const labels = (count: number, value: unknown) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`label_${i}`, value]));
  expect(LabelsSchema.parse(labels(64, 'x'))).toEqual(labels(64, 'x'));
  expect(LabelsSchema.safeParse(labels(65, 'x')).error?.issues).toHaveLength(1);
  expect(LabelsSchema.safeParse(labels(200_000, 7)).error?.issues).toHaveLength(1);
  expect(LabelsSchema.safeParse(labels(2, 7)).success).toBe(false);
});
