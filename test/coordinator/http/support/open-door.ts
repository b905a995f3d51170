/** A door that listens on a free port, in front of operations that a test scripts one by one. */
import { onTestFinished } from 'vitest';
import type { HttpDoor } from '../../../../coordinator/http/serve.ts';
import { serveHttp } from '../../../../coordinator/http/serve.ts';
import { type HttpSettings, HttpSettingsSchema } from '../../../../coordinator/http/settings.ts';
import type { Operations } from '../../../../coordinator/operations.ts';
import type { Streams } from '../../../../coordinator/stream/streams.ts';
import { createLifecycle } from '../../../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../../../protocol/daemon/log.ts';
import { CcliError } from '../../../../protocol/errors.ts';
import { FLEET_STATUS } from '../../../support/fleet-status.ts';

type Limits = HttpSettings['limits'];

export interface DoorOptions {
  readonly settings?: Partial<Omit<HttpSettings, 'limits'>>;
  readonly limits?: Partial<Limits>;
  readonly operations?: Partial<Operations>;
  readonly streams?: Partial<Streams>;
  readonly unready?: () => string | undefined;
}

export interface OpenDoor extends HttpDoor {
  readonly stop: () => Promise<void>;
  /** Events of the log, oldest first. */
  readonly logged: (event: string) => Record<string, unknown>[];
  /** All that was logged, as it is written. */
  readonly log: () => string;
  /** What the lifecycle was told went wrong. */
  readonly errors: unknown[];
}

export async function openDoor(options: DoorOptions = {}): Promise<OpenDoor> {
  const { settings = {}, limits = {}, unready = () => undefined } = options;
  const defaults = HttpSettingsSchema.parse({ port: 0 });
  const lines: string[] = [];
  const errors: unknown[] = [];
  const lifecycle = createLifecycle({
    onError: error => {
      errors.push(error);
    },
  });
  onTestFinished(() => lifecycle.stop());
  const { url } = await serveHttp({
    settings: { ...defaults, ...settings, limits: { ...defaults.limits, ...limits } },
    operations: { ...NOTHING, ...options.operations },
    streams: { ...SILENCE, ...options.streams },
    unready,
    lifecycle,
    log: createLog({ level: 'debug', name: 'door', to: { write: line => lines.push(line) } }),
  });
  const events = (): Record<string, unknown>[] =>
    lines.map(line => JSON.parse(line) as Record<string, unknown>);
  return {
    url,
    stop: () => lifecycle.stop(),
    logged: event => events().filter(entry => entry['event'] === event),
    log: () => lines.join(''),
    errors,
  };
}

const refuse = (): Promise<never> => Promise.reject(new CcliError('internal', 'this is not scripted'));

const NOTHING: Operations = {
  submit: refuse,
  run: refuse,
  get: refuse,
  cancel: refuse,
  retry: refuse,
  list: refuse,
  upload: refuse,
  download: refuse,
  agents: refuse,
  nodes: refuse,
  drain: refuse,
  explain: refuse,
  coordinate: refuse,
  register: refuse,
  update: refuse,
  remove: refuse,
  test: refuse,
  verify: refuse,
  registration: refuse,
  status: () => Promise.resolve(FLEET_STATUS),
};

const nothing = (): never => {
  throw new CcliError('internal', 'this is not scripted');
};

const SILENCE: Streams = {
  task: nothing,
  fleet: nothing,
  counts: { tasks: 0, readers: 0 },
  close: () => Promise.resolve(),
};
