/** What Prometheus can ask of this door, in a registry of its own. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface HttpMetrics {
  /** Once for each request, when the head of its answer is ready. */
  answered(labels: { route: string; method: string; status: string }, seconds: number): void;
  /** A request was refused because its client sends too many. */
  limited(): void;
  /** A connection was refused because there are too many. */
  dropped(): void;
  readonly registry: Registry;
}

/** Read when Prometheus asks. */
interface Levels {
  readonly requests: () => number;
  readonly streams: () => number;
  readonly body_bytes: () => number;
}

/** Seconds: from an answer out of memory to a wait for a model. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600];
const LABELS = ['route', 'method', 'status'] as const;

export function createMetrics(levels: Levels): HttpMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'ccli_http_requests_total',
    help: 'Requests answered, by the pattern of their route',
    labelNames: LABELS,
    registers,
  });
  const durations = new Histogram({
    name: 'ccli_http_request_duration_seconds',
    help: 'Time until the head of the answer was ready',
    labelNames: LABELS,
    buckets: BUCKETS,
    registers,
  });
  const limited = new Counter({
    name: 'ccli_http_rate_limited_total',
    help: 'Requests refused because their client sends too many',
    registers,
  });
  const dropped = new Counter({
    name: 'ccli_http_connections_dropped_total',
    help: 'Connections refused because too many are open',
    registers,
  });
  const level = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  level('ccli_http_requests_in_flight', 'Requests being answered, streams included', levels.requests);
  level('ccli_http_streams', 'Event streams that are open', levels.streams);
  level('ccli_http_body_bytes', 'Bytes of request bodies held in memory', levels.body_bytes);

  return {
    answered(labels, seconds) {
      requests.inc(labels);
      durations.observe(labels, seconds);
    },
    limited: () => {
      limited.inc();
    },
    dropped: () => {
      dropped.inc();
    },
    registry,
  };
}
