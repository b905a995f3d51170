/** What is looked at of a fleet as a whole, in the order in which it is told. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { clockCheck } from './clock.ts';
import type { FleetContext } from './context.ts';
import { coordinatorCheck } from './coordinator.ts';
import { durabilityCheck } from './durability.ts';
import { httpCheck } from './http.ts';
import { jetstreamCheck } from './jetstream.ts';
import { natsCheck } from './nats.ts';
import { reportsCheck } from './reports.ts';
import { schemaCheck } from './schema.ts';
import { storesCheck } from './stores.ts';
import { streamsCheck } from './streams.ts';
import { versionsCheck } from './versions.ts';

/** Each comes after those it needs. */
export const FLEET_CHECKS: readonly Check<FleetContext>[] = [
  natsCheck,
  jetstreamCheck,
  streamsCheck,
  schemaCheck,
  reportsCheck,
  clockCheck,
  coordinatorCheck,
  durabilityCheck,
  storesCheck,
  httpCheck,
  versionsCheck,
];
