/** What is known of a CLI in advance. A preset only fills in what the operator has left open. */
import type { ToolPolicy } from '../../protocol/agent.ts';

export type CliDriver = 'acp' | 'headless';

/** The program that serves one driver: some CLIs speak the protocol through an adapter with a name of its own. */
interface Program {
  /** Looked for beside the agent's Node, then on PATH. */
  readonly command: string;
  /** What brings it. */
  readonly package?: string;
  readonly install: string;
  /** What puts it into the mode that the driver needs; the agent's own `args` come after these. */
  readonly args: readonly string[];
  /** Added when a model is known; `{model}` becomes its name. */
  readonly model_args?: readonly string[];
  /** Added for a tool policy. */
  readonly policy_args?: Readonly<Partial<Record<ToolPolicy, readonly string[]>>>;
}

export interface AcpProgram extends Program {
  /** How it may be told to sign in, when it asks for that. */
  readonly auth_method?: string;
  /** The mode that each session is put into. */
  readonly modes?: Readonly<Partial<Record<ToolPolicy, string>>>;
}

/** How a prompt goes in, and how the answer comes out. Paths are read by `valueAt`. */
export interface PrintMode {
  readonly prompt: 'stdin' | 'file';
  readonly output: 'text' | 'json';
  readonly answer?: string;
  /** Of several JSON values that hold an answer: the last one counts, or all of them one after another. */
  readonly answers?: 'last' | 'all';
  readonly error?: string;
  readonly usage?: string;
}

export interface PrintProgram extends Program, PrintMode {}

/** How what it says over ACP is to be read, whatever the agent's type: it tells by its name who it is. */
export interface Dialect {
  /** Text among the answer's that is a remark of the CLI. */
  readonly notice?: RegExp;
  /** Text that belongs to no message is such a remark. */
  readonly unlabelled_notices?: true;
  /** An answer that was cut short or refused never ends as a whole one. */
  readonly tells_cut?: true;
}

export interface Preset {
  readonly driver: CliDriver;
  readonly acp?: AcpProgram;
  /** `built_in`: read by a driver of its own. */
  readonly headless?: PrintProgram | (Program & { readonly built_in: true });
  /** `agentInfo.name` over ACP. */
  readonly announces?: string;
  readonly dialect?: Dialect;
  /** The oldest Node its script runs under; absent for a program that brings its own. */
  readonly min_node?: number;
  /** Where it keeps settings and sign-in, below HOME, and the variable that names another place. */
  readonly home?: { readonly directory: string; readonly variable?: string };
  /** Variables of the daemon that it gets to see, besides the agent's own `pass_env`. */
  readonly pass_env: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly policy_env?: Readonly<Record<ToolPolicy, Readonly<Record<string, string>>>>;
  readonly sign_in: SignIn;
  readonly verified: Readonly<Partial<Record<CliDriver, Verified>>>;
}

export interface SignIn {
  /** One of these variables is enough. */
  readonly env: readonly string[];
  /** So is one of these files below its home; with `holding`, one that has this word in it. */
  readonly files: readonly { readonly path: string; readonly holding?: string }[];
  /**
   * How a missing sign-in shows. `session`: the protocol's "sign in first" before any prompt. `prompt`: only when a
   * prompt has been sent, so the variables and files are looked for beforehand. `own_home`: found when its home is
   * made. `hidden`: nothing that can be looked for tells it; a prompt does.
   */
  readonly shows: 'session' | 'prompt' | 'own_home' | 'hidden';
  /** What it prints then. */
  readonly pattern?: RegExp;
  /** What the operator is told to do. */
  readonly how: string;
}

/** How far it was tried. `prompted`: answered a prompt. `initialized`: started. `read`: its documents alone. */
export interface Verified {
  readonly level: 'prompted' | 'initialized' | 'read';
  readonly version: string;
}
