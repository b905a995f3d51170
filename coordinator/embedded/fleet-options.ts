/** What an embedded fleet is started with. */
import type { LogLevel } from '../../protocol/daemon/log.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import type { HttpPort } from './http-door.ts';
import type { Programs } from './programs.ts';

export interface FleetOptions {
  readonly state_dir: string;
  /** For the embedded nats-server; 4222 or any free one when absent. */
  readonly port?: number | undefined;
  /** For HTTP; 8000 or any free one when absent. */
  readonly http?: HttpPort | undefined;
  /** Joins this server instead of starting one. */
  readonly nats_url?: string | undefined;
  /** For the node-agent; one gemini agent for this host when absent. */
  readonly config_file?: string | undefined;
  /**
   * Ollama servers on which agents may be registered, besides this host's own and those of earlier starts in this state
   * directory; only without a `config_file`.
   */
  readonly ollama?: readonly string[] | undefined;
  readonly environment: Environment;
  /** Told what is going on, a short line each. */
  readonly onStage: (text: string) => void;
  readonly log_level?: LogLevel | undefined;
  /** Gives up starting; what was started is stopped again. */
  readonly signal?: AbortSignal | undefined;
  /** Other programs than the compiled ones beside this file. */
  readonly programs?: Programs | undefined;
}
