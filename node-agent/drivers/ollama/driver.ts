/** Talks to an Ollama server over its HTTP API: one model of it is the agent. */
import { withinTime } from '../../../protocol/daemon/limited-signal.ts';
import { errorFields, type Log } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { isSameModel } from '../../../protocol/model-name.ts';
import type { OllamaAgentConfig } from '../../agent-config/ollama.ts';
import type { Driver, Probe } from '../driver.ts';
import { chat } from './chat.ts';
import { isCloudModel } from './cloud-model.ts';
import { withinContext } from './context.ts';
import { preferringFormat } from './courtesy.ts';
import { createOllamaHttp } from './http.ts';
import { type Loaded, lookUpLoaded, lookUpModels, lookUpVersion } from './look.ts';

export interface OllamaDriverOptions {
  readonly agent: OllamaAgentConfig;
  readonly log: Log;
}

/** Ollama answers these while its models are busy. */
const LOOK_TIMEOUT_MS = 10_000;

/** More would say nothing that a list of that length does not. */
const MOST_LOADED = 100;
const MOST_NAMED = 50;
const MAX_NAME_CHARS = 255;

export function createOllamaDriver({ log, ...given }: OllamaDriverOptions): Driver {
  let { agent } = given;
  const { endpoint, model } = agent;
  const http = createOllamaHttp(endpoint);
  const closing = new AbortController();
  let loaded: readonly Loaded[] = [];
  let problem: CcliError | undefined;
  let looking: Promise<void> | undefined;

  const mine = (): Loaded | undefined => loaded.find(({ name }) => isSameModel(name, model));

  const silent = (): CcliError =>
    new CcliError(
      'endpoint_unreachable',
      `Ollama at ${endpoint} did not answer within ${LOOK_TIMEOUT_MS / 1000} s; check its host.`,
    );
  const limited = <T>(look: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> =>
    withinTime(look, { limit_ms: LOOK_TIMEOUT_MS, late: silent, signals: [signal, closing.signal] });

  /** What a run or a look has shown about the server. */
  const learn = (error: unknown): void => {
    if (!(error instanceof CcliError)) return;
    if (error.code === 'endpoint_unreachable' || error.code === 'model_not_found') problem = error;
  };

  /** Looks at the server's memory again, beside whatever else goes on; one look at a time. */
  const freshen = (): void => {
    if (closing.signal.aborted) return;
    looking ??= limited(signal => lookUpLoaded(http, agent, signal), closing.signal)
      .then(found => {
        loaded = found;
        if (problem?.code === 'endpoint_unreachable') problem = undefined;
      })
      .catch((error: unknown) => {
        if (closing.signal.aborted) return;
        loaded = [];
        learn(error);
        log.debug('ollama_look_failed', { endpoint, ...errorFields(error) });
      })
      .finally(() => {
        looking = undefined;
      });
  };

  /** The error as it is told: one of a missing model names those there are. */
  const explained = async (error: unknown, wanted: string, signal: AbortSignal): Promise<unknown> => {
    if (!(error instanceof CcliError) || error.code !== 'model_not_found') return error;
    try {
      return missing(endpoint, wanted, await limited(look => lookUpModels(http, agent, look), signal));
    } catch {
      // The list is a courtesy: without it, the error still says what is wrong.
      return error;
    }
  };

  return {
    get warm() {
      return mine() !== undefined;
    },
    get problem() {
      return problem;
    },
    async probe(signal) {
      const [version, models, found] = await limited(
        look =>
          Promise.all([
            lookUpVersion(http, agent, look),
            lookUpModels(http, agent, look),
            lookUpLoaded(http, agent, look),
          ]),
        signal,
      );
      loaded = found;
      if (!isCloudModel(model) && !models.some(name => isSameModel(name, model)))
        throw missing(endpoint, model, models);
      problem = undefined;
      return {
        ...(version !== undefined && { cli_version: version }),
        // Ollama knows no accounts of its own; a proxy that wants one has let the probe through.
        signed_in: 'yes',
        loaded_models: found.slice(0, MOST_LOADED).map(({ name }) => name),
        ...gpuMemory(agent, found),
      };
    },
    async run(task, callbacks, signal) {
      if (task.cold === true)
        throw new CcliError(
          'unsupported_parameter',
          'A model of Ollama has no process that could be started for one task alone; leave out `cold`.',
        );
      const before = mine();
      const wanted = task.model ?? model;
      try {
        const context_length = before?.context_length;
        // What it is told meanwhile is for the next run.
        const options = { http, agent, model: wanted, context_length };
        const { format: wished, ...rest } = task;
        const judged = await withinContext(
          task.history ?? [],
          (history, hear) =>
            preferringFormat(
              wished,
              (format, onChunk) => {
                const asked = { ...rest, history, ...(format !== undefined && { format }) };
                return chat({ ...options, task: asked, callbacks: { ...callbacks, onChunk } }, signal);
              },
              hear,
            ),
          callbacks.onChunk,
        );
        problem = undefined;
        return { ...judged, model: wanted, warm: before !== undefined };
      } catch (error) {
        const why = signal.aborted ? error : await explained(error, wanted, signal);
        // A model that only this task named says nothing of the agent's own.
        if (isSameModel(wanted, model)) learn(why);
        throw why;
      } finally {
        freshen();
      }
    },
    reconfigure(next) {
      if (next.agent_type !== 'ollama' || next.endpoint !== endpoint || next.model !== model)
        throw new CcliError('internal', 'Another model, or another server, needs another driver.');
      agent = next;
    },
    async close() {
      closing.abort(new CcliError('cancelled', 'The driver is being closed.'));
      await looking;
      http.close();
    },
  };
}

function missing(endpoint: string, model: string, there: readonly string[]): CcliError {
  const named = there.slice(0, MOST_NAMED).map(name => name.slice(0, MAX_NAME_CHARS));
  const list = there.length === 0 ? 'it has none' : `it has ${named.join(', ')}`;
  return new CcliError(
    'model_not_found',
    `Ollama at ${endpoint} does not have the model "${model}": ${list}. Name one of these, or run "ollama pull ${model}" there.`,
  );
}

function gpuMemory({ gpu_memory }: OllamaAgentConfig, loaded: readonly Loaded[]): Pick<Probe, 'gpu_memory'> {
  if (gpu_memory === undefined) return {};
  const used = loaded.reduce((sum, { vram_bytes }) => sum + vram_bytes, 0);
  return { gpu_memory: { total_bytes: gpu_memory, free_bytes: Math.max(0, Math.floor(gpu_memory - used)) } };
}
