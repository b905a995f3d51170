/** Which kind of service a host can have, and which it gets. */
import { CcliError } from '../../../protocol/errors.ts';
import type { HostFacts } from '../facts.ts';
import type { ServiceKind } from '../record.ts';

interface Choice {
  readonly asked: ServiceKind | 'auto';
  /** What an earlier run has installed. */
  readonly installed: ServiceKind | undefined;
  readonly host: string;
  readonly facts: Pick<HostFacts, 'systemd' | 'may_be_root'>;
}

/** @throws CcliError `host_not_ready` */
export function chooseService({ asked, installed, host, facts }: Choice): ServiceKind {
  if (installed !== undefined) {
    if (asked === 'auto' || asked === installed) return installed;
    throw new CcliError(
      'host_not_ready',
      `The node-agent on ${host} is installed with --service ${installed}; take it away with \`ccli bootstrap --uninstall ${host}\` before it is installed with --service ${asked}.`,
    );
  }
  const { systemd, may_be_root } = facts;
  if (asked === 'auto') {
    if (!systemd.system) return 'process';
    return may_be_root ? 'system' : 'user';
  }
  if (asked === 'process') return asked;
  if (!systemd.system)
    throw new CcliError('host_not_ready', `No systemd runs on ${host}; use --service process there.`);
  if (asked === 'system' && !may_be_root)
    throw new CcliError(
      'host_not_ready',
      `A system service needs root on ${host}, and sudo asks for a password there. Use --service user, or a user that sudo lets in without one.`,
    );
  return asked;
}
