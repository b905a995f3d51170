/** `/healthz`, `/readyz`, `/metrics`: for whoever watches over this coordinator. */
import { createRoute, z } from '@hono/zod-openapi';
import { Registry } from 'prom-client';
import { errorFields } from '../../../protocol/daemon/log.ts';
import { VERSION } from '../../../protocol/daemon/version.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { FleetStatus } from '../../../protocol/operation.ts';
import type { CallContext } from '../../caller.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import type { HttpMetrics } from '../metrics.ts';
import { fleetMetrics } from '../metrics-fleet.ts';
import { lineMetrics } from '../metrics-lines.ts';
import { processMetrics } from '../metrics-process.ts';
import { sshMetrics } from '../metrics-ssh.ts';
import { problem } from '../openapi-problem.ts';
import { localProblems, openProblems } from './problem-responses.ts';

const HealthSchema = z.object({ status: z.literal('ok'), version: z.string() });
const ReadySchema = z.object({ status: z.literal('ready') });

const json = <S extends z.ZodType>(schema: S) => ({ 'application/json': { schema } });

const health = createRoute({
  method: 'get',
  path: '/healthz',
  tags: ['system'],
  summary: 'Whether this coordinator lives',
  security: [],
  responses: { 200: { description: 'It does.', content: json(HealthSchema) }, ...openProblems() },
});

const ready = createRoute({
  method: 'get',
  path: '/readyz',
  tags: ['system'],
  summary: 'Whether this coordinator can serve',
  security: [],
  responses: {
    200: { description: 'It can.', content: json(ReadySchema) },
    ...openProblems('too_many_requests'),
    503: problem('It cannot now; the detail says why.'),
  },
});

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  tags: ['system'],
  summary: 'Metrics for Prometheus',
  responses: {
    200: { description: 'In the text format.', content: { 'text/plain': { schema: z.string() } } },
    ...localProblems(),
  },
});

/** What becomes of a coordinator that is not ready shows within seconds. */
const NOT_READY_RETRY_MS = 2_000;

export function registerSystem(app: DoorApp, door: Door, metrics: HttpMetrics): void {
  app.openapi(health, c => c.json({ status: 'ok' as const, version: VERSION }, 200));

  app.openapi(ready, c => {
    const why = door.unready();
    if (why !== undefined) throw new CcliError('no_coordinator', why, { retry_after_ms: NOT_READY_RETRY_MS });
    return c.json({ status: 'ready' as const }, 200);
  });

  app.openapi(metricsRoute, async c => {
    const fleet = fleetMetrics(await statusOf(door, contextOf(c)));
    const lines = door.lines?.();
    const ways = lines === undefined ? [] : [lineMetrics(lines), sshMetrics(lines.ssh)];
    const all = Registry.merge([metrics.registry, fleet, ...ways, processMetrics()]);
    return c.text(await all.metrics(), 200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE });
  });
}

/** The rest is worth telling also when the fleet cannot be asked. */
async function statusOf({ operations, log }: Door, context: CallContext): Promise<FleetStatus | undefined> {
  try {
    return await operations.status({}, context);
  } catch (error) {
    log.warn('fleet_status_failed', errorFields(error));
    return undefined;
  }
}
