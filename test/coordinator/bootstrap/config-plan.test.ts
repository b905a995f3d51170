import { expect, test } from 'vitest';
import { type ConfigPlan, planConfig, sha256 } from '../../../coordinator/bootstrap/config-plan.ts';

const NATS = 'nats://fleet:4222';
const base = {
  node: 'walnut',
  given: undefined,
  asked: { nats_url: undefined },
  defaults: { nats_url: NATS },
  force: false,
};
const fresh = (): ConfigPlan => planConfig({ ...base, existing: undefined, written_sha256: undefined });
const placed = (content: string) => ({ content, mode: 0o600 });

test('a host without a file gets one that names the fleet', () => {
  const plan = fresh();
  expect(plan.write).toBe(true);
  expect(plan.facts).toMatchObject({ node: 'walnut', nats_url: NATS });
});

test('a repeat leaves the file as it is, also when it is asked for with fewer flags', () => {
  const first = planConfig({
    ...base,
    existing: undefined,
    written_sha256: undefined,
    asked: { nats_url: 'nats://seen-from-there:4222', node_version: 'v22.14.0' },
  });
  const again = planConfig({ ...base, existing: placed(first.text), written_sha256: sha256(first.text) });
  expect(again).toMatchObject({ write: false, text: first.text });
});

test('a setting that is asked for anew changes the file that ccli wrote', () => {
  const { text } = fresh();
  const plan = planConfig({
    ...base,
    existing: placed(text),
    written_sha256: sha256(text),
    asked: { nats_url: 'nats://other:4222' },
  });
  expect(plan).toMatchObject({ write: true, backup: false });
  expect(plan.facts.nats_url).toBe('nats://other:4222');
});

test('a file that others may read is written again', () => {
  const { text } = fresh();
  const plan = planConfig({
    ...base,
    existing: { content: text, mode: 0o644 },
    written_sha256: sha256(text),
  });
  expect(plan).toMatchObject({ write: true, backup: false, text });
});

test('what an operator has edited is kept, and it is said what was not done', () => {
  const edited = `${fresh().text}log_level: debug\n`;
  const options = { ...base, existing: placed(edited), written_sha256: sha256(fresh().text) };
  expect(planConfig(options)).toMatchObject({ write: false, text: edited });
  expect(planConfig(options).note).toBeUndefined();
  const asked = { ...options, asked: { nats_url: 'nats://other:4222' } };
  const plan = planConfig(asked);
  expect(plan).toMatchObject({ write: false, text: edited });
  expect(plan.note).toContain('--force-config');
  expect(plan.facts.nats_url).toBe(NATS);
});

test('--force-config replaces what was edited, and keeps a backup', () => {
  const edited = `${fresh().text}log_level: debug\n`;
  const plan = planConfig({
    ...base,
    existing: placed(edited),
    written_sha256: sha256(fresh().text),
    force: true,
  });
  expect(plan).toMatchObject({ write: true, backup: true });
  expect(plan.text).not.toContain('log_level');
  expect(plan.facts.nats_url).toBe(NATS);
});

test('a file that was never written by ccli counts as edited', () => {
  const plan = planConfig({
    ...base,
    existing: placed('node: mine\n'),
    written_sha256: undefined,
    asked: { nats_url: 'nats://other:4222' },
  });
  expect(plan).toMatchObject({ write: false, text: 'node: mine\n' });
});

test("an operator's own file is taken word for word but for what it leaves open", () => {
  const given = '# mine\nagents: []\nlog_level: debug\n';
  const plan = planConfig({ ...base, existing: undefined, written_sha256: undefined, given });
  expect(plan.text.startsWith(given)).toBe(true);
  expect(plan.facts).toMatchObject({ node: 'walnut', nats_url: NATS, agents: [] });
  const whole = 'node: oak\nnats:\n  url: nats://own:4222\n';
  expect(planConfig({ ...base, existing: undefined, written_sha256: undefined, given: whole }).text).toBe(
    whole,
  );
});
