/** One process that speaks the Agent Client Protocol, from its start to the last of its process group. */
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
import { lastWords } from '../../core/evidence-exit.ts';
import { spawnTool } from '../../process/spawn.ts';
import { abortable } from '../abortable.ts';
import {
  type Announced,
  type Choice,
  type OpenedSession,
  readInitialized,
  readSession,
} from './announced.ts';
import { createPipes, MAX_LINE_BYTES } from './pipes.ts';

/** What one session's owner wants to hear. Called in the order in which the process sent it. */
export interface SessionListener {
  onUpdate(update: SessionUpdate): void;
  onPermission(request: RequestPermissionRequest): RequestPermissionResponse;
}

export interface AcpConnection {
  readonly pid: number;
  /** What the process says it is and can do. */
  readonly announced: Announced;
  /** False from the moment the process ends or its pipe closes. */
  readonly alive: boolean;
  /** Settles with the reason once nothing of the process runs any more; never rejects. */
  readonly gone: Promise<CcliError>;
  /** Counts what comes from it: a process that is heard is at work, even while it owes an answer. */
  readonly heard: number;
  /** Settles when it answers; an error is an answer too. */
  ping(): Promise<void>;
  /** Signs in first, once it has been asked to and knows by which method. */
  openSession(cwd: string): Promise<OpenedSession>;
  /** Tells the CLI that nobody needs the session any more, where it wants to know. */
  closeSession(session_id: string): Promise<void>;
  /** `refused` judges the CLI's no. */
  choose(session_id: string, what: 'model' | 'mode', choice: Choice, wanted: Wanted): Promise<void>;
  prompt(session_id: string, text: string): Promise<PromptResponse>;
  cancel(session_id: string): Promise<void>;
  listen(session_id: string, listener: SessionListener): () => void;
  /** The reason is what its tasks are told; how it ended is, when there is none. */
  stop(reason?: CcliError, grace_ms?: number): Promise<void>;
  /** The last of its stderr, which may quote any of its tasks. */
  lastWords(): string;
}

interface Wanted {
  readonly value: string;
  readonly refused: (error: Error) => CcliError;
}

interface ConnectOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What an end means that nobody asked for. */
  readonly judgeExit: (exit: Exit) => CcliError;
  /** What a sign-in that is missing is told as. */
  readonly signedOut: (cause: unknown) => CcliError;
  /** How it may be told to sign in. */
  readonly auth_method?: string;
  readonly onNotKilled?: (pgids: readonly number[]) => void;
  /** Ends the attempt to connect, and the process with it. */
  readonly signal: AbortSignal;
}

/** No agent knows it, and all must answer: gemini does so within a millisecond, and does nothing else. */
const PING_METHOD = '_ccli/ping';

/** @throws CcliError `cli_missing`, `cli_crashed`, `cli_garbled`, `cli_not_signed_in`, `config_invalid`; the signal's reason. */
export async function connectAcp(options: ConnectOptions): Promise<AcpConnection> {
  const tool = await spawnTool(options);
  const listeners = new Map<string, SessionListener>();
  let alive = true;
  let shared = false;
  let heard = 0;
  let stopped_for: CcliError | undefined;
  const gone = tool.ended.then(end => {
    alive = false;
    const exit: Exit = { ...end, stderr: tool.stderrTail(), shared };
    return stopped_for ?? options.judgeExit(exit);
  });

  const pipes = createPipes(tool, {
    onBytes: () => (heard += 1),
    onFlood: error => {
      // No grace: what floods does so until it is killed.
      void stop(error, 0);
    },
    wanted: () => listeners.size > 0,
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
    .connect(ndJsonStream(pipes.input, pipes.output, { maxMessageBytes: MAX_LINE_BYTES }));
  rpc.signal.addEventListener('abort', () => {
    alive = false;
  });

  /** A request whose failure is judged: by its error, or by how the process ended. */
  const ask = async <T>(
    request: Promise<T>,
    judge: (error: RequestError) => CcliError = judgeRpcError,
  ): Promise<T> => {
    try {
      return await request;
    } catch (error) {
      if (error instanceof RequestError && alive)
        throw asksForSignIn(error) ? options.signedOut(error) : judge(error);
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

  let announced: Announced;
  try {
    const initialized: unknown = await abortable(
      ask(rpc.agent.request('initialize', { protocolVersion: PROTOCOL_VERSION, clientCapabilities: {} })),
      options.signal,
    );
    announced = readInitialized(initialized);
    pipes.trust();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    pid: tool.pid,
    announced,
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
      const open = (): Promise<unknown> => rpc.agent.request('session/new', { cwd, mcpServers: [] });
      const opening = open();
      try {
        return readSession(await opening);
      } catch (error) {
        const { auth_method } = options;
        if (
          !asksForSignIn(error) ||
          auth_method === undefined ||
          !announced.auth_methods.includes(auth_method)
        )
          return readSession(await ask(opening));
        // Never before it is asked for: gemini drops the sign-in it has when it is told another method.
        await ask(rpc.agent.request('authenticate', { methodId: auth_method }), options.signedOut);
        return readSession(await ask(open()));
      }
    },
    async closeSession(session_id) {
      if (announced.closes_sessions && alive)
        await ask(rpc.agent.request('session/close', { sessionId: session_id }));
    },
    async choose(session_id, what, { option }, { value, refused }) {
      if (option !== undefined)
        await ask(
          rpc.agent.request('session/set_config_option', { sessionId: session_id, configId: option, value }),
          refused,
        );
      else if (what === 'mode')
        await ask(rpc.agent.request('session/set_mode', { sessionId: session_id, modeId: value }), refused);
      // Not in the stable protocol; gemini and qwen have it under this name.
      else
        await ask(rpc.agent.request('session/set_model', { sessionId: session_id, modelId: value }), refused);
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

const SIGN_IN_FIRST = -32000;
const asksForSignIn = (error: unknown): boolean =>
  error instanceof RequestError && error.code === SIGN_IN_FIRST;
