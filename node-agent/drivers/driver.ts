/**
 * The contract between the node-agent and one kind of tool: `probe`, `run`, `close`. A driver is made for one agent,
 * starts nothing in its constructor, and throws only `CcliError`s.
 */
import type { DriverName, ToolPolicy } from '../../protocol/agent.ts';
import type { Format, Turn } from '../../protocol/conversation.ts';
import type { CcliError } from '../../protocol/errors.ts';
import type { Generation } from '../../protocol/generation.ts';
import type { Usage } from '../../protocol/task.ts';
import type { AgentConfig } from '../agent-config/agent.ts';

export interface DriverTask {
  readonly task_id: string;
  readonly attempt: number;
  readonly prompt: string;
  /** What stands above the conversation, as a system message does. */
  readonly instructions?: string;
  /** What was said before in the conversation, oldest first; how it reaches the model is the driver's affair. */
  readonly history?: readonly Turn[];
  /** For a tool that can hold its model to it: the instructions, or the prompt, ask for it besides. */
  readonly format?: Format;
  /** For a tool that can be told. */
  readonly generation?: Generation;
  /** The model asked for; absent for the agent's default. */
  readonly model?: string;
  readonly tool_policy: ToolPolicy;
  /** In a process that is started for it alone. Refused where there is no such thing. */
  readonly cold?: true;
}

/** What a look at the tool found; goes into the advert. */
export interface Probe {
  readonly cli_version?: string;
  readonly node_version?: string;
  /** Of a CLI: its real executable or script, and the Node it runs under; absolute paths. */
  readonly cli_path?: string;
  readonly node_path?: string;
  readonly signed_in: 'yes' | 'no' | 'unknown';
  /** Models in memory, where that can be known, and how much of the GPUs' memory there is and is free. */
  readonly loaded_models?: readonly string[];
  readonly gpu_memory?: { readonly total_bytes: number; readonly free_bytes: number };
}

/** What a driver judged an answer to be, once it is whole. The text is what the chunks were, one after another. */
export interface DriverResult {
  /** `partial`: its model has cut it short, and said so. */
  readonly completeness: 'whole' | 'partial' | 'unknown';
  /** It has no text because its task's own `stop` or `max_tokens` has ended it there, and that is no failure. */
  readonly empty_as_asked?: true;
  readonly usage?: Usage;
  readonly model?: string;
  /** Whether a process was already up when the task came, or a model in memory. */
  readonly warm: boolean;
  /** How long the model took to load, where the tool tells. */
  readonly load_ms?: number;
}

export interface RunCallbacks {
  /** Text as it comes. Never called after `run` has settled. */
  readonly onChunk: (text: string) => void;
  /** Any sign that the tool is at work, text or not; absent where nobody watches. */
  readonly onActivity?: () => void;
}

export interface Driver {
  /**
   * Makes the tool ready and says what it found. Called at start and then every so often; cheap when all is well.
   *
   * @throws CcliError `cli_missing`, `node_version_missing`, `cli_not_signed_in`, `auth_refused`, `cli_crashed`,
   *   `endpoint_unreachable`, `model_not_found`: why the agent cannot take tasks.
   */
  probe(signal: AbortSignal): Promise<Probe>;
  /**
   * Runs one prompt. Settles only when nothing of the task runs any more: its process group is gone, or its session
   * has ended.
   *
   * @throws CcliError judged by evidence, not by exit code: `empty_reply`, `reply_truncated`, `safety_refused`,
   *   `rate_limited`, `quota_exhausted`, `model_not_found`, `model_rejected`, `model_unavailable`, `auth_refused`,
   *   `cli_not_signed_in`, `cli_crashed`, `cli_garbled`, `prompt_too_large`, `endpoint_unreachable`, `out_of_memory`,
   *   `context_too_long`, `slow_first_token`, `unsupported_parameter`. On abort, the signal's reason.
   */
  run(task: DriverTask, callbacks: RunCallbacks, signal: AbortSignal): Promise<DriverResult>;
  /** Whether a task that came now would find a process already up. */
  readonly warm: boolean;
  /** The driver that stands in while the agent's own keeps failing; absent while all is well. */
  readonly standingIn?: DriverName | undefined;
  /** Why no task can be run now, where it shows between two probes. */
  readonly problem?: CcliError | undefined;
  /** What may change while it runs, for the runs that begin from then on; absent where nothing may. */
  reconfigure?(agent: AgentConfig): void;
  /** Ends whatever the driver started. */
  close(): Promise<void>;
}
