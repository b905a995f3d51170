/** Whether the store can be read, and is of a layout that this ccli knows. */
import { Kvm } from '@nats-io/kv';
import { z } from 'zod';
import { decode } from '../../../protocol/codec.ts';
import type { Check } from '../../../protocol/daemon/checks.ts';
import { fail, ok, type Verdict } from '../../../protocol/finding.ts';
import { SCHEMA_VERSION } from '../../provision.ts';
import type { FleetContext } from './context.ts';
import { unlessForbidden } from './jetstream.ts';

const RecordSchema = z.object({ version: z.int().positive() });

export const schemaCheck: Check<FleetContext> = {
  id: 'schema',
  title: 'the layout of the store',
  limit_ms: 6_000,
  late: 'store_unavailable',
  needs: ['streams'],
  run: ({ access }) =>
    unlessForbidden(async () => {
      const control = await new Kvm(access.connection).open(access.names.controlBucket);
      const entry = await control.get('schema');
      return [judgeSchema(entry === null ? undefined : read(entry.value))];
    }),
};

function read(bytes: Uint8Array): number | 'unreadable' {
  try {
    return decode(RecordSchema, bytes).version;
  } catch {
    return 'unreadable';
  }
}

export function judgeSchema(version: number | 'unreadable' | undefined): Verdict {
  if (version === undefined || version === 'unreadable') {
    const what = version === undefined ? 'is missing' : 'cannot be read';
    return fail(
      `The record of the store's own version ${what}.`,
      'Start a coordinator, which writes it for a new store; else restore a backup with `ccli restore`.',
      { code: 'store_damaged' },
    );
  }
  if (version > SCHEMA_VERSION) {
    return fail(
      `The store is of version ${version}; this ccli knows up to ${SCHEMA_VERSION}.`,
      'Upgrade ccli here to the version of the coordinator.',
      { code: 'store_newer' },
    );
  }
  return ok(`The store can be read; its layout is of version ${version}.`);
}
