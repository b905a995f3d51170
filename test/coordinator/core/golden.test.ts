/**
 * Each file in `golden/` is a small fleet with its tasks, and after the line of dashes what is planned and why. After a
 * wanted change, `npx vitest run --config test/vitest.config.ts test/coordinator/core/golden.test.ts -u` writes that
 * part anew: then read the difference.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Candidate } from '../../../coordinator/core/placement.ts';
import { type Action, lookAhead, plan } from '../../../coordinator/core/plan.ts';
import type { Considered } from '../../../protocol/placement.ts';
import { describeAction, snapshot } from './snapshot.ts';

const DIRECTORY = join(import.meta.dirname, 'golden');
const LINE = `\n${'-'.repeat(100)}\n`;

const table = (considered: readonly Considered[]): string[] => {
  const width = Math.max(...considered.map(({ agent_id, node }) => `${agent_id} on ${node}`.length));
  return considered.map(({ agent_id, node, verdict, why, code }) => {
    const name = `${agent_id} on ${node}`.padEnd(width);
    return `    ${verdict.padEnd(8)}  ${name}  ${why}${code === undefined ? '' : ` [${code}]`}`;
  });
};

const isFor = (action: Action, { node, status }: Candidate): boolean =>
  action.action === 'assign' &&
  action.candidate.node === node &&
  action.candidate.status.agent_id === status.agent_id;

function rendered(scene: string): string {
  const given = snapshot(scene);
  const actions = plan(given);
  const left = given.candidates.map(candidate => ({
    ...candidate,
    used: candidate.used + actions.filter(action => isFor(action, candidate)).length,
  }));
  const lines = actions.flatMap((action: Action) => {
    const told = [describeAction(action)];
    if (action.action === 'assign') {
      const { fallback } = action;
      if (fallback !== undefined) told.push(`  fallback, position ${fallback.position}: ${fallback.why}`);
      return [...told, ...table(action.considered)];
    }
    const task = given.queued.find(({ task_id }) => task_id === action.task_id);
    return task === undefined ? told : [...told, ...table(lookAhead(task, left).considered)];
  });
  return `${lines.join('\n')}\n`;
}

const files = readdirSync(DIRECTORY).filter(name => name.endsWith('.txt'));

test('there are scenes', () => {
  expect(files.length).toBeGreaterThan(12);
});

test.each(files)('%s is planned and explained as it stands there', async name => {
  const file = join(DIRECTORY, name);
  const [scene = ''] = readFileSync(file, 'utf8').split(LINE);
  await expect(`${scene.trimEnd()}${LINE}${rendered(scene)}`).toMatchFileSnapshot(file);
});
