/** A whole fleet on this machine: what `ccli up` and `npm start` run. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, redactUrl } from '../../protocol/daemon/connect.ts';
import { createLifecycle } from '../../protocol/daemon/lifecycle.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { DEFAULT_PREFIX, PREFIX_PATTERN } from '../../protocol/subjects.ts';
import { valueOf } from './environment.ts';
import type { FleetOptions } from './fleet-options.ts';
import { describeNode, type Grounds, joinNats, launchCoordinator, launchNodeAgent } from './fleet-parts.ts';
import { createPartWatch } from './part-watch.ts';
import { compiledPrograms } from './programs.ts';
import { agentsReady, coordinatorReady, describeUnusable } from './ready.ts';
import { removeRuntimeFile, writeRuntimeFile } from './runtime-file.ts';
import { takeStateDirectory } from './state-directory.ts';

export type { FleetOptions };

export interface Fleet {
  readonly nats_url: string;
  readonly prefix: string;
  /** Where it serves HTTP; undefined when it does not. */
  readonly http_url?: string | undefined;
  readonly node: string;
  /** The built-in demo model answers, since there is no key for a real one. */
  readonly demo: boolean;
  /** A sentence for each agent that takes no tasks. */
  readonly unusable?: readonly string[];
  /** What this fleet cannot promise. */
  readonly warning?: string | undefined;
  /** Node-agent first, so that running tasks end and their results are stored. Safe to call twice. */
  readonly stop: () => Promise<void>;
  /** Settles, with the reason, only when a part ends that nobody stopped. The rest still wants its `stop`. */
  readonly ended: Promise<CcliError>;
}

/**
 * @throws CcliError `state_in_use`, `nats_server_missing`, `start_failed`, `nats_unreachable`, `nats_refused`,
 *   `config_invalid`, `no_coordinator`, `agent_starting`, or the problem of the agent; the signal's reason when aborted.
 *   A fleet that did not start leaves nothing running.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { environment, onStage, signal } = options;
  const prefix = prefixOf(environment);
  const lifecycle = createLifecycle({
    onError: (error, what) => {
      onStage(`${what} did not stop cleanly: ${error instanceof Error ? error.message : String(error)}`);
    },
  });
  const parts = createPartWatch(lifecycle.signal, name => {
    onStage(`${name} ended; stopping…`);
  });
  try {
    const state = await takeStateDirectory(options.state_dir, { onStage, signal });
    lifecycle.defer('the state directory', state.release);
    await mkdir(join(state.path, 'logs'), { recursive: true, mode: 0o700 });
    const limit = AbortSignal.any([parts.signal, ...(signal === undefined ? [] : [signal])]);
    const programs = options.programs ?? compiledPrograms();
    return await bringUp({
      options: { ...options, signal: limit },
      prefix,
      programs,
      state,
      lifecycle,
      parts,
      progress: { ready: false },
    });
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function bringUp(grounds: Grounds): Promise<Fleet> {
  const { options, prefix, state, lifecycle, parts } = grounds;
  const { onStage, signal } = options;
  const nats = await joinNats(grounds);
  const { node, file, demo } = await describeNode(grounds);
  const connection = await connect(nats.settings, { name: 'ccli up', patience: 'command' });
  try {
    onStage('starting the coordinator');
    await launchCoordinator(grounds, nats);
    onStage(`starting the node-agent of ${node}`);
    await launchNodeAgent(grounds, nats, file);
    const status = await coordinatorReady({ connection, prefix, signal });
    onStage('waiting for an agent to get ready');
    const agents = await agentsReady({ connection, prefix, node, signal });
    signal.throwIfAborted();
    grounds.progress.ready = true;
    // Stopped first: who finds no fleet waits for the end of this one, and submits nothing to what is left of it.
    lifecycle.defer('the runtime file', () => removeRuntimeFile(state.path));
    await writeRuntimeFile(state.path, { nats_url: redactUrl(nats.url), prefix, node });
    return {
      nats_url: nats.url,
      prefix,
      http_url: status.http_url,
      node,
      demo,
      warning: nats.warning ?? status.nats.warning,
      unusable: agents.flatMap(describeUnusable),
      stop: () => lifecycle.stop(),
      ended: parts.ended,
    };
  } finally {
    await connection.close();
  }
}

function prefixOf(environment: Environment): string {
  const prefix = valueOf(environment, 'CCLI_PREFIX') ?? DEFAULT_PREFIX;
  if (PREFIX_PATTERN.test(prefix)) return prefix;
  throw new CcliError(
    'config_invalid',
    `CCLI_PREFIX is "${prefix}"; it takes lower-case letters, digits and "_", at most 31, a letter first.`,
  );
}
