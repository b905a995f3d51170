/** What the checks of one host work with. */
import type { HostFacts } from '../../bootstrap/facts.ts';
import type { SshHost } from '../../ssh/ssh.ts';

export interface HostContext {
  readonly host: SshHost;
  /** What this ccli would install, as the directory there is called: `1.2.0-0a1b2c`; without the part that tells builds apart, where there is none to install. */
  readonly installs: string;
  /** Where the fleet's NATS is, if another host may reach it by that. */
  readonly nats_url: string | undefined;
  readonly clock: () => number;
  /** What earlier checks have learnt. */
  readonly learnt: {
    facts?: HostFacts;
    /** The node that is configured there. */
    node?: string;
  };
}

/** Whether there is a ccli to be asked. */
export const isInstalled = ({ learnt }: Pick<HostContext, 'learnt'>): boolean =>
  learnt.facts?.installed.command !== undefined || learnt.facts?.installed.current !== undefined;
