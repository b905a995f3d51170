/** One process that speaks the Agent Client Protocol, from its start to the last of its process group. */
import type { Readable } from 'node:stream';
import { Writable } from 'node:stream';
import {
  client,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
  RequestError,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionUpdate,
} from '@agentclientprotocol/sdk';
import type { CcliError } from '../../../protocol/errors.ts';
import { judgeRpcError } from '../../core/evidence.ts';
import type { Exit } from '../../core/evidence-exit.ts';
import { judgeExit, judgeGeminiExit, lastWords } from '../../core/evidence-exit.ts';
import { spawnTool } from '../../process/spawn.ts';
import { abortable } from '../abortable.ts';

/** What one session's owner wants to hear. Called in the order in which the process sent it. */
export interface SessionListener {
  onUpdate(update: SessionUpdate): void;
  onPermission(request: RequestPermissionRequest): RequestPermissionResponse;
}

export interface AcpConnection {
  readonly pid: number;
  /** What the process says it is. */
  readonly version: string | undefined;
  /** False from the moment the process ends or its pipe closes. */
  readonly alive: boolean;
  /** Settles with the reason once nothing of the process runs any more; never rejects. */
  readonly gone: Promise<CcliError>;
  /** Counts what comes from it: a process that is heard is at work, even while it owes an answer. */
  readonly heard: number;
  /** Settles when it answers; an error is an answer too. */
  ping(): Promise<void>;
  openSession(cwd: string): Promise<string>;
  setModel(session_id: string, model: string): Promise<void>;
  prompt(session_id: string, text: string): Promise<PromptResponse>;
  cancel(session_id: string): Promise<void>;
  listen(session_id: string, listener: SessionListener): () => void;
  /** The reason is what its tasks are told; how it ended is, when there is none. */
  stop(reason?: CcliError, grace_ms?: number): Promise<void>;
  /** The last of its stderr, which may quote any of its tasks. */
  lastWords(): string;
}

interface ConnectOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly gemini: boolean;
  readonly onNotKilled?: (pgids: readonly number[]) => void;
  /** Ends the attempt to connect, and the process with it. */
  readonly signal: AbortSignal;
}

/** No agent knows it, and all must answer: gemini does so within a millisecond, and does nothing else. */
const PING_METHOD = '_ccli/ping';

/** A single message of the CLI may hold a whole file. */
const MAX_MESSAGE_BYTES = 128 * 1024 * 1024;

/** @throws CcliError `cli_missing`, `cli_crashed`, `cli_not_signed_in`, `config_invalid`; the signal's reason. */
export async function connectAcp(options: ConnectOptions): Promise<AcpConnection> {
  const tool = await spawnTool(options);
  const judge = options.gemini ? judgeGeminiExit : judgeExit;
  const listeners = new Map<string, SessionListener>();
  let alive = true;
  let shared = false;
  let heard = 0;
  let stopped_for: CcliError | undefined;
  const gone = tool.ended.then(end => {
    alive = false;
    const exit: Exit = { ...end, stderr: tool.stderrTail(), shared };
    return stopped_for ?? judge(exit);
  });

  const rpc = client({ name: 'ccli' })
    // First, so that an update is heard before a response that came after it.
    .onNotification(methods.client.session.update, ({ params }) => {
      listeners.get(params.sessionId)?.onUpdate(params.update);
    })
    .onRequest(
      methods.client.session.requestPermission,
      ({ params }) =>
        listeners.get(params.sessionId)?.onPermission(params) ?? { outcome: { outcome: 'cancelled' } },
    )
    .connect(
      ndJsonStream(
        Writable.toWeb(tool.stdin),
        readBytes(tool.stdout, () => (heard += 1)),
        {
          maxMessageBytes: MAX_MESSAGE_BYTES,
        },
      ),
    );
  rpc.signal.addEventListener('abort', () => {
    alive = false;
  });

  /** A request whose failure is judged: by its error, or by how the process ended. */
  const ask = async <T>(request: Promise<T>): Promise<T> => {
    try {
      return await request;
    } catch (error) {
      if (error instanceof RequestError && alive) throw judgeRpcError(error);
      // A pipe that closed means an end that is under way: its exit says more than the pipe.
      await tool.stop();
      throw await gone;
    }
  };

  const stop = async (reason?: CcliError, grace_ms?: number): Promise<void> => {
    // One that has already ended did so by itself.
    if (alive) stopped_for ??= reason;
    alive = false;
    await tool.stop(grace_ms);
    rpc.close();
  };
  // The pipes close with the process, whoever ended it.
  void gone.then(() => {
    rpc.close();
  });

  let version: string | undefined;
  try {
    const initialized = await abortable(
      ask(rpc.agent.request('initialize', { protocolVersion: PROTOCOL_VERSION, clientCapabilities: {} })),
      options.signal,
    );
    version = initialized.agentInfo?.version;
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    pid: tool.pid,
    version,
    get alive() {
      return alive;
    },
    gone,
    get heard() {
      return heard;
    },
    async ping() {
      try {
        await rpc.agent.request(PING_METHOD, {});
      } catch (error) {
        if (!(error instanceof RequestError) || !alive) throw error;
      }
    },
    lastWords: () => lastWords(tool.stderrTail()),
    stop,
    async openSession(cwd) {
      const session = await ask(rpc.agent.request('session/new', { cwd, mcpServers: [] }));
      return session.sessionId;
    },
    async setModel(session_id, model) {
      // Not in the stable protocol; gemini has it under this name.
      await ask(rpc.agent.request('session/set_model', { sessionId: session_id, modelId: model }));
    },
    prompt(session_id, text) {
      shared = true;
      return ask(
        rpc.agent.request('session/prompt', { sessionId: session_id, prompt: [{ type: 'text', text }] }),
      );
    },
    async cancel(session_id) {
      await rpc.agent.notify('session/cancel', { sessionId: session_id });
    },
    listen(session_id, listener) {
      listeners.set(session_id, listener);
      return () => {
        listeners.delete(session_id);
      };
    },
  };
}

/** Node types its web streams apart from the global ones: this one says what it holds. */
function readBytes(stdout: Readable, onBytes: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      stdout.on('data', (bytes: Buffer) => {
        onBytes();
        controller.enqueue(bytes);
      });
      stdout.once('end', () => {
        controller.close();
      });
      stdout.once('error', error => {
        controller.error(error);
      });
    },
    cancel() {
      stdout.destroy();
    },
  });
}
