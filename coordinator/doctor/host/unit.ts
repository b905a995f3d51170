/** What the host's systemd says of the unit. Read once, by one script. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { skipped } from '../../../protocol/finding.ts';
import { judgeUnits, type UnitFacts } from '../judge/unit.ts';
import { type HostContext, isInstalled } from './context.ts';

const LIMIT_MS = 20_000;

// A session over SSH often has no word about where the user's manager listens.
const SCRIPT = `
XDG_RUNTIME_DIR="\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"; export XDG_RUNTIME_DIR
properties=Id,LoadState,UnitFileState,ActiveState,SubState,Result,NRestarts,WatchdogUSec,ActiveEnterTimestampMonotonic
echo "user=$(id -un)"
if [ -r /proc/uptime ]; then read -r up rest </proc/uptime; echo "uptime=$up"; fi
if command -v loginctl >/dev/null 2>&1; then echo "linger=$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null)"; fi
[ -e "/var/lib/systemd/linger/$(id -un)" ] && echo linger=yes
pid_file="$HOME/.local/state/ccli/node-agent.pid"
if [ -r "$pid_file" ]; then
  read -r pid rest <"$pid_file"
  if kill -0 "$pid" 2>/dev/null; then echo "process=$pid"; else echo "process=gone"; fi
fi
if command -v systemctl >/dev/null 2>&1; then
  echo "scope=system"; systemctl show "ccli-node-agent@$(id -un).service" -p "$properties" 2>/dev/null
  echo "scope=user"; systemctl --user show ccli-node-agent.service -p "$properties" 2>/dev/null
fi
exit 0
`;

export const unitCheck: Check<HostContext> = {
  id: 'unit',
  title: 'the unit of the node-agent',
  limit_ms: LIMIT_MS + 5_000,
  late: 'ssh_timeout',
  needs: ['installed'],
  async run(context, signal) {
    if (!isInstalled(context)) return [];
    const { host } = context;
    const { stdout } = await host.run({ script: SCRIPT }, { signal, timeout_ms: LIMIT_MS });
    if (!stdout.includes('user=')) return [skipped('The shell of the host told nothing of its units.')];
    return judgeUnits(readUnits(stdout), host.name);
  },
};

/** Lines of `name=value`; a `scope` begins what is told of one unit. */
export function readUnits(text: string): UnitFacts {
  const lines = text.split('\n').flatMap(line => {
    const at = line.indexOf('=');
    return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const];
  });
  const about = new Map<string, string>();
  const scopes: { scope: 'system' | 'user'; fields: Map<string, string> }[] = [];
  for (const [name, value] of lines) {
    if (name === 'scope') scopes.push({ scope: value === 'user' ? 'user' : 'system', fields: new Map() });
    else if (value !== '') (scopes.at(-1)?.fields ?? about).set(name, value);
  }
  const process = about.get('process');
  const uptime_s = Number(about.get('uptime'));
  return {
    user: about.get('user') ?? '',
    linger: about.has('linger') ? about.get('linger') === 'yes' : undefined,
    process: process === undefined ? undefined : process === 'gone' ? 'gone' : Number(process),
    units: scopes
      .filter(({ fields }) => fields.get('LoadState') === 'loaded')
      .map(({ scope, fields }) => {
        const entered_us = Number(fields.get('ActiveEnterTimestampMonotonic') ?? Number.NaN);
        const since_s = uptime_s - entered_us / 1_000_000;
        return {
          scope,
          name: fields.get('Id') ?? '',
          enabled: fields.get('UnitFileState') ?? 'unknown',
          active: fields.get('ActiveState') ?? 'unknown',
          sub: fields.get('SubState') ?? '',
          result: fields.get('Result') ?? '',
          restarts: Number(fields.get('NRestarts') ?? 0) || 0,
          watchdog: isWatched(fields.get('WatchdogUSec')),
          active_s: entered_us > 0 && since_s >= 0 ? since_s : undefined,
        };
      }),
  };
}

const isWatched = (value: string | undefined): boolean =>
  value !== undefined && value !== '0' && value !== 'infinity';
