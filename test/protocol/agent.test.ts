import { expect, test } from 'vitest';
import { ModelSchema } from '../../protocol/agent.ts';
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
