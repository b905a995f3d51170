/** A host in the hands of one run: how it is spoken to, and what is known of it. */
import type { Bundle } from '../bundle/bundle.ts';
import type { SshHost } from '../ssh/ssh.ts';
import type { ConfigPlan } from './config-plan.ts';
import type { Credential } from './credentials.ts';
import type { HostFacts } from './facts.ts';
import type { FleetDoor } from './fleet-door.ts';
import type { HostPaths, HostUser } from './paths.ts';
import type { RecordKeeper, ServiceKind } from './record.ts';
import type { Service } from './service/service.ts';
import type { Shell } from './shell.ts';
import type { Watcher } from './step.ts';
import type { Changes } from './undo.ts';

export interface Wishes {
  /** What the node is called; from the host's name when absent. */
  readonly node?: string | undefined;
  readonly node_version?: string | undefined;
  /** As the host sees it. */
  readonly nats_url?: string | undefined;
  readonly credentials: readonly Credential[];
  /** Content of a file of the operator's. */
  readonly config?: string | undefined;
  readonly force_config: boolean;
  readonly service: ServiceKind | 'auto';
  readonly canary: boolean;
  readonly upgrade: boolean;
  readonly dry_run: boolean;
  /** How long the first advert, and the agent that answers the canary, may take. */
  readonly patience_ms: number;
}

export interface Site {
  readonly host: SshHost;
  readonly shell: Shell;
  readonly signal: AbortSignal;
  readonly user: HostUser;
  readonly paths: HostPaths;
  readonly changes: Changes;
  readonly record: RecordKeeper;
  readonly watcher: Watcher;
  /** Where what is replaced is kept until the run has ended. */
  readonly undo_directory: string;
}

/** After it was looked at. */
export interface Work extends Site {
  readonly wishes: Wishes;
  readonly fleet: FleetDoor;
  readonly bundle: Bundle;
  readonly facts: HostFacts;
  readonly plan: ConfigPlan;
  readonly node: string;
  /** Absolute. */
  readonly state_dir: string;
  readonly service: Service;
  /** The version that is to run when the run has ended, and whether that is the bundle's. */
  readonly version: string;
  readonly replaces_version: boolean;
  readonly progress: RunProgress;
}

/** What earlier steps of this run have come to. */
export interface RunProgress {
  /** Why the daemon must be started anew; empty when it need not. */
  readonly restart: string[];
  /** Set when this run has started the daemon: who advertised under this name before. */
  started?: { readonly before: string | undefined };
  agents: readonly string[];
}
