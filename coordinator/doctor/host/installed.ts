/** What of ccli is installed there, and whether it is this one. */
import { basename } from 'node:path';
import type { Check } from '../../../protocol/daemon/checks.ts';
import { fail, ok, type Verdict, warn } from '../../../protocol/finding.ts';
import type { InstalledFacts } from '../../bootstrap/facts.ts';
import type { HostContext } from './context.ts';

export const installedCheck: Check<HostContext> = {
  id: 'installed',
  title: 'what is installed',
  limit_ms: 5_000,
  needs: ['preflight'],
  run({ learnt, installs, host }) {
    if (learnt.facts === undefined) return Promise.resolve([]);
    return Promise.resolve(judgeInstalled(learnt.facts.installed, { installs, host: host.name }));
  },
};

interface Ours {
  readonly installs: string;
  readonly host: string;
}

export function judgeInstalled(
  { current, command, config_sha256, versions, partial }: InstalledFacts,
  { installs, host }: Ours,
): readonly Verdict[] {
  if (current === undefined && command === undefined) {
    return [
      warn('No node-agent is installed there.', `\`ccli bootstrap ${host}\` installs one.`, {
        code: 'node_not_installed',
      }),
    ];
  }
  if (current === undefined || command === undefined) {
    const gone = current === undefined ? 'the version in use' : 'the command ~/.local/bin/ccli';
    return [
      fail(
        `Half of a node-agent is installed there: ${gone} is missing.`,
        `\`ccli bootstrap ${host}\` puts it right.`,
        {
          code: 'node_not_installed',
        },
      ),
    ];
  }
  const there = basename(current);
  const found: Verdict[] = [];
  if (there !== installs && !there.startsWith(`${installs}-`)) {
    found.push(
      warn(
        `ccli ${there} is installed there; this one would install ${installs}.`,
        `Bring both to one version: \`ccli bootstrap --upgrade ${host}\`, or upgrade ccli here.`,
      ),
    );
  }
  if (config_sha256 === undefined) {
    found.push(
      warn(
        'It has no configuration: ~/.config/ccli/node-agent.yaml is missing.',
        `\`ccli bootstrap ${host}\` writes one.`,
      ),
    );
  }
  if (partial.length > 0) {
    found.push(
      warn(
        `${partial.length} uploads of a version were never finished.`,
        `The next \`ccli bootstrap --upgrade ${host}\` goes on with it, or removes it.`,
      ),
    );
  }
  if (found.length > 0) return found;
  const others = versions.filter(one => one !== there).length;
  return [ok(`ccli ${there}, as here${others === 0 ? '' : `; ${others} older ones are kept`}.`)];
}
