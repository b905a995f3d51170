import { describe, expect, test } from 'vitest';
import { plan } from '../../../coordinator/core/plan.ts';
import { describeAction, snapshot } from './snapshot.ts';

/** The lines after `=>` are what the plan is to be, action by action. */
function golden(text: string): void {
  const expected = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line.startsWith('=> '))
    .map(line => line.slice(3));
  expect(plan(snapshot(text)).map(describeAction)).toEqual(expected);
}

describe('the plan', () => {
  test('is empty when nothing is queued', () => {
    golden('agent walnut-gemini 0/2');
  });

  test('fills free slots in order of arrival and lets the rest wait', () => {
    golden(`
      agent walnut-gemini 1/2
      agent ironwood-gemini 0/1
      task a
      task b
      task c
      => a goes to ironwood-gemini on ironwood: best of 2 free: 1 of 1 slots free over 1 of 2 (walnut-gemini)
      => b goes to walnut-gemini on walnut: the only agent free
      => c waits: The only slot of ironwood-gemini is taken.
    `);
  });

  test('counts what it has just given away', () => {
    golden(`
      agent walnut-gemini 0/2
      task a
      task b
      task c
      => a goes to walnut-gemini on walnut: the only agent free
      => b goes to walnut-gemini on walnut: the only agent free
      => c waits: All 2 slots of walnut-gemini are taken.
    `);
  });

  test('counts each node by itself when two have an agent of the same name', () => {
    golden(`
      agent echo 0/1 node=walnut
      agent echo 0/1 node=ironwood
      task a
      task b
      task c
      => a goes to echo on ironwood: best of 2 free: first by name (echo on walnut)
      => b goes to echo on walnut: the only agent free
      => c waits: The only slot of echo is taken.
    `);
  });

  test('tries another agent after a failure, even one of less priority, before the same one again', () => {
    golden(`
      agent walnut-gemini 0/2 priority=5
      agent ironwood-gemini 0/2
      task a attempt=2 tried=walnut-gemini
      task b attempt=3 tried=walnut-gemini,ironwood-gemini
      => a goes to ironwood-gemini on ironwood as attempt 2: best of 2 free: untried over tried by the task before (walnut-gemini)
      => b goes to walnut-gemini on walnut as attempt 3: best of 2 free: priority 5 over 0 (ironwood-gemini)
    `);
  });

  test('takes larger priorities first', () => {
    golden(`
      agent walnut-gemini 0/1
      task low priority=-1
      task plain
      task high priority=5
      => high goes to walnut-gemini on walnut: the only agent free
      => plain waits: The only slot of walnut-gemini is taken.
      => low waits: The only slot of walnut-gemini is taken.
    `);
  });

  test('prefers priority, then warmth, then free share, then the name', () => {
    golden(`
      agent d-plain 0/1
      agent c-plain 0/1
      agent b-warm 1/2 warm
      agent a-first 3/4 priority=1
      task 1
      task 2
      task 3
      task 4
      => 1 goes to a-first on a: best of 4 free: priority 1 over 0 (b-warm)
      => 2 goes to b-warm on b: best of 3 free: warm over cold (c-plain)
      => 3 goes to c-plain on c: best of 2 free: first by name (d-plain)
      => 4 goes to d-plain on d: the only agent free
    `);
  });

  test('lets a task that fits elsewhere pass one that waits', () => {
    golden(`
      agent walnut-gemini 2/2
      agent walnut-claude 0/1 type=cli_claude
      task a type=cli_gemini
      task b type=cli_claude
      => a waits: All 2 slots of walnut-gemini are taken.
      => b goes to walnut-claude on walnut: the only agent free
    `);
  });

  test('does not let a long prompt that waits keep back a short one that fits elsewhere', () => {
    golden(`
      agent walnut-large 1/1 max_prompt=1000000
      agent walnut-small 0/1 max_prompt=1000
      task long bytes=500000
      task short bytes=10
      => long waits: The only slot of walnut-large is taken.
      => short goes to walnut-small on walnut: the only agent free
    `);
  });

  test('waits while no agent is there, and says so', () => {
    golden(`
      task a
      task b agent=walnut-gemini
      => a waits: No agent has joined this fleet; start one with \`ccli node-agent\`.
      => b waits: No agent has joined this fleet; start one with \`ccli node-agent\`.
    `);
  });

  test('waits for agents that are starting, cooling down, away or broken, and says for which', () => {
    golden(`
      agent a-one 0/1 starting
      agent b-one 0/1 cooling
      agent c-one 0/1 silent
      agent d-one 0/1 contested
      agent e-one 0/1 draining
      agent f-one 0/1 disabled
      agent g-one 0/1 broken
      task a agent=a-one
      task b agent=b-one
      task c agent=c-one
      task d agent=d-one
      task e agent=e-one
      task f agent=f-one
      task g agent=g-one
      task h agent=nobody
      task i
      => a waits: a-one is starting.
      => b waits: b-one is cooling down (rate_limited) for another 1 s.
      => c waits: Node c is silent.
      => d waits: Two daemons call themselves d; stop one.
      => e waits: Node e is draining.
      => f waits: f-one is disabled.
      => g waits: g-one has no CLI.
      => h waits: No agent is called "nobody"; there are a-one, b-one, c-one, d-one, e-one, f-one, g-one.
      => i waits: a-one is starting.
    `);
  });

  test('waits for the earliest agent when all that fit are cooling down', () => {
    golden(`
      agent a-one 0/1 cooling=90000
      agent a-two 0/1 cooling=43000
      agent b-one 0/1 type=cli_qwen
      task a type=cli_gemini
      => a waits: a-two is cooling down (rate_limited) for another 43 s.
    `);
  });

  test('leaves a node alone that has no room for results', () => {
    golden(`
      agent a-one 0/1 priority=5 warm full
      agent b-one 0/1
      task a
      task b agent=a-one
      => a goes to b-one on b: the only agent free
      => b waits: Node a has no room for results.
    `);
  });

  test('goes to another agent while one is cooling down', () => {
    golden(`
      agent a-one 0/1 priority=5 warm cooling=90000
      agent a-two 0/1
      task a
      => a goes to a-two on a: the only agent free
    `);
  });

  test('fails a task past its deadline, free slot or not, pause or not', () => {
    golden(`
      agent a-one 0/1
      task late deadline=0
      task pausing deadline=-5 pause=1000
      task intime deadline=1
      => late fails with deadline_passed: The task did not end before its deadline; give it more time.
      => pausing fails with deadline_passed: The task did not end before its deadline; give it more time.
      => intime goes to a-one on a: the only agent free
    `);
  });

  test('leaves a task alone while its pause lasts', () => {
    golden(`
      agent walnut-gemini 0/1
      task a pause=10 attempt=2
      task b attempt=2
      => a waits: a pause after the last attempt
      => b goes to walnut-gemini on walnut as attempt 2: the only agent free
    `);
  });

  test('fails a task that has waited as long as it may, with what it waited for', () => {
    golden(`
      agent walnut-gemini 1/1
      agent walnut-claude 0/1 type=cli_claude silent
      task first
      task busy max_queue=100 waited=100
      task early max_queue=100 waited=99
      task away type=cli_claude max_queue=100 waited=100
      task unknown agent=nobody max_queue=100 waited=5000
      => first waits: The only slot of walnut-gemini is taken.
      => busy fails with slots_taken: It waited as long as it may. The only slot of walnut-gemini is taken.
      => early waits: The only slot of walnut-gemini is taken.
      => away fails with node_lost: It waited as long as it may. Node walnut is silent.
      => unknown fails with agent_unknown: It waited as long as it may. No agent is called "nobody"; there are walnut-claude, walnut-gemini.
    `);
  });

  test('fails a task whose time is over although a slot has just become free, and blames no agent', () => {
    golden(`
      agent walnut-gemini 0/1
      task late max_queue=100 waited=100 pause=5
      => late fails with slots_taken: It waited as long as it may.
    `);
  });
});
