/** What `preflight` finds out about a host. Nothing in it is a secret. */

/** What is meant to run there. */
export interface Wanted {
  /** As nvm takes it: `v22.14.0`, `22`, `lts/jod`. Undefined takes the best there is. */
  readonly node_version?: string;
  /** As the node-agent will be given it; several servers are separated by commas. */
  readonly nats_url?: string;
  /** False for a host that will only serve other agents. */
  readonly gemini?: boolean;
  /** A key that will be brought along: the host needs no sign-in of its own. */
  readonly brings_key?: boolean;
  /** `none`: no unit will be installed, so systemd need not be there. Undefined takes what the host offers. */
  readonly service?: 'system' | 'user' | 'none';
  /** True when tasks may come over SSH alone: a host that does not reach NATS is a warning then. */
  readonly nats_optional?: boolean;
}

export interface HostFacts {
  readonly home: string;
  readonly user: string;
  readonly uid: number;
  /** The login shell. */
  readonly shell: string | undefined;
  readonly os: { readonly id: string; readonly version: string | undefined };
  /** `uname -s`: `Linux`. */
  readonly system: string;
  /** `uname -r`. */
  readonly kernel: string;
  /** As Node calls it; what it does not know, as `uname -m` does. */
  readonly arch: string;
  readonly libc: 'glibc' | 'musl' | 'unknown';
  readonly systemd: SystemdFacts;
  /** Root itself, or `sudo` without a password. */
  readonly may_be_root: boolean;
  /** Where the bundles go; undefined when it cannot be told. */
  readonly free_bytes: number | undefined;
  /** Of ~/.local, ~/.config and what is below them. */
  readonly writable: boolean;
  /** Of those that are not. */
  readonly not_writable: readonly string[];
  readonly nvm_dir: string | undefined;
  /** Newest first, those of nvm before others of the same version. */
  readonly nodes: readonly NodeFound[];
  /** Alias files of nvm: `default` -> `22`. */
  readonly aliases: Readonly<Record<string, string>>;
  /** The Node that `wanted` comes down to; undefined when none does. */
  readonly node: NodeFound | undefined;
  /** Under `node`, else on PATH. */
  readonly gemini: GeminiFound | undefined;
  readonly sign_in: SignInHints;
  readonly clock: {
    /** Of the host minus ours. */
    readonly offset_ms: number;
    /** It may be off by so much, either way. */
    readonly uncertainty_ms: number;
  };
  readonly installed: InstalledFacts;
  /** Undefined when no address was given. */
  readonly nats: NatsReach | undefined;
}

export interface SystemdFacts {
  readonly version: number | undefined;
  /** Whether it runs as the system's manager. */
  readonly system: boolean;
  /** Whether a manager of this user answers now. */
  readonly user: boolean;
  /** Whether that one starts at boot; undefined when it cannot be told. */
  readonly linger: boolean | undefined;
}

export interface NodeFound {
  /** `v22.14.0`. */
  readonly version: string;
  /** Absolute. */
  readonly path: string;
  readonly from: 'nvm' | 'path';
  /** False when it was there and did not start: it was built for another system. */
  readonly runs: boolean;
}

export interface GeminiFound {
  /** Absolute; the link or file by that name. */
  readonly path: string;
  readonly version: string | undefined;
  readonly from: 'nvm' | 'path';
}

export interface SignInHints {
  /** `security.auth.selectedType` of ~/.gemini/settings.json. */
  readonly auth_type: string | undefined;
  /** Files that a login leaves behind, by name. */
  readonly login_files: readonly string[];
  /** Places that have a GEMINI_API_KEY: `~/.gemini/.env`, `credential`, `environment`. */
  readonly keys: readonly string[];
}

export interface InstalledFacts {
  /** `<home>/.local/share/ccli`. */
  readonly base: string;
  /** What `current` points to. */
  readonly current: string | undefined;
  readonly versions: readonly string[];
  /** Uploads that were not finished. */
  readonly partial: readonly string[];
  /** Where ~/.local/bin/ccli points to; undefined when it is not there. */
  readonly command: string | undefined;
  /** Content of ~/.config/ccli/node. */
  readonly node: string | undefined;
  /** Of ~/.config/ccli/node-agent.yaml, in hex. */
  readonly config_sha256: string | undefined;
  /** Names of the files in ~/.config/ccli/credentials, with their SHA-256 in hex. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly units: readonly UnitFound[];
}

export interface UnitFound {
  readonly scope: 'system' | 'user';
  /** `ccli-node-agent.service`. */
  readonly name: string;
  /** Of the unit file. */
  readonly path: string;
  /** As `systemctl is-enabled` and `is-active` say it; `unknown` when the manager does not answer. */
  readonly enabled: string;
  readonly active: string;
  /** Of the unit file, in hex. */
  readonly sha256: string | undefined;
}

export interface NatsReach {
  readonly servers: readonly {
    /** `host:port`. */
    readonly address: string;
    readonly reached: 'yes' | 'no' | 'unknown';
    /** `ECONNREFUSED`, `ENOTFOUND`, `timeout`. */
    readonly reason?: string;
  }[];
  /** `yes` when one server is. */
  readonly reached: 'yes' | 'no' | 'unknown';
}
