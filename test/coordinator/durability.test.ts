import { expect, test } from 'vitest';
import { durabilityOf } from '../../coordinator/durability.ts';

test.each(['2.14.0', '2.14.0-RC.1', '2.15.1', '3.0.0'])(
  'nats-server %s survives a power cut if the operator says that it syncs each write',
  version => {
    expect(durabilityOf(version, true)).toEqual({ durability: 'power_cut' });
    expect(durabilityOf(version, false)).toEqual({ durability: 'unknown' });
  },
);

test.each(['2.9.10', '2.13.99', '1.4.1'])(
  'nats-server %s survives a crash of its process only, and we say so',
  version => {
    for (const sync_always of [true, false]) {
      const { durability, warning } = durabilityOf(version, sync_always);
      expect(durability).toBe('process_crash');
      expect(warning).toContain(`nats-server ${version} can lose`);
      expect(warning).toContain('2.14 or newer');
    }
  },
);

test('a version that cannot be read promises nothing and accuses nobody', () => {
  expect(durabilityOf('unknown', true)).toEqual({ durability: 'unknown' });
});
