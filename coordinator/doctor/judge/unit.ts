import { fail, ok, type Verdict, warn } from '../../../protocol/finding.ts';

export interface UnitState {
  readonly scope: 'system' | 'user';
  readonly name: string;
  readonly enabled: string;
  readonly active: string;
  readonly sub: string;
  readonly result: string;
  /** By systemd itself, since it was started by somebody. */
  readonly restarts: number;
  readonly watchdog: boolean;
  readonly active_s: number | undefined;
}

export interface UnitFacts {
  readonly user: string;
  /** Undefined where it cannot be told. */
  readonly linger: boolean | undefined;
  /** Of a node-agent that was started without systemd: its process, or that it is gone. */
  readonly process: number | 'gone' | undefined;
  /** Those that systemd has loaded. */
  readonly units: readonly UnitState[];
}

export function judgeUnits({ units, process, linger, user }: UnitFacts, host: string): readonly Verdict[] {
  if (units.length === 0) return [withoutUnit(process, host)];
  if (units.length > 1 && units.every(({ active }) => active === 'active')) {
    return [
      fail(
        'A system unit and a user unit are both active: two daemons speak for one node.',
        'Stop one of them: `systemctl --user disable --now ccli-node-agent`.',
      ),
    ];
  }
  const unit = units.find(({ active }) => active === 'active') ?? units[0];
  if (unit === undefined) return [];
  return [...judgeUnit(unit, host), ...lingering(unit, linger, user)];
}

function withoutUnit(process: UnitFacts['process'], host: string): Verdict {
  if (process === undefined)
    return fail(
      'It is installed, and nothing starts it: there is no unit for it.',
      `\`ccli bootstrap ${host}\` installs its unit.`,
    );
  if (process === 'gone')
    return fail(
      'The node-agent, started without systemd, has ended.',
      `\`ccli bootstrap ${host}\` starts it again.`,
    );
  return warn(
    `The node-agent runs without systemd (process ${process}): nothing starts it again when it ends.`,
    'Use a host where systemd runs, or see to it yourself.',
  );
}

function judgeUnit(unit: UnitState, host: string): readonly Verdict[] {
  const { name, enabled, active, sub, result, restarts, watchdog, active_s } = unit;
  const systemctl = unit.scope === 'user' ? 'systemctl --user' : 'systemctl';
  const journal = `journalctl ${unit.scope === 'user' ? '--user ' : ''}-u ${name}`;
  if (active !== 'active') {
    const why = result === '' || result === 'success' ? sub : `${sub}, ${result}`;
    const starting = active === 'activating' && sub !== 'auto-restart';
    const make = starting ? warn : fail;
    return [
      make(`${name} is ${active} (${why}).`, `Look at \`${journal}\`, then \`${systemctl} start ${name}\`.`),
    ];
  }
  const since = active_s === undefined ? '' : ` for ${lasting(active_s)}`;
  const found: Verdict[] = [];
  if (restarts > 0) {
    found.push(
      warn(
        `${name} is active${since}, and systemd had to start it again ${restarts === 1 ? 'once' : `${restarts} times`}.`,
        `\`${journal}\` tells why it ended.`,
      ),
    );
  }
  if (enabled !== 'enabled' && enabled !== 'enabled-runtime') {
    found.push(
      warn(`${name} does not start with the host (${enabled}).`, `\`${systemctl} enable ${name}\` lets it.`),
    );
  }
  if (!watchdog) {
    found.push(
      warn(
        `${name} has no watchdog: a daemon that hangs stays as it is.`,
        `\`ccli bootstrap ${host}\` puts its unit right.`,
      ),
    );
  }
  return found.length > 0
    ? found
    : [ok(`${name} is active${since}, enabled, with a watchdog, never restarted.`)];
}

const lingering = ({ scope }: UnitState, linger: boolean | undefined, user: string): readonly Verdict[] => {
  if (scope === 'system' || linger === undefined) return [];
  return linger
    ? [ok(`Units of ${user} start with the host.`, { check: 'linger' })]
    : [
        warn(
          `Units of ${user} end when ${user} logs out, and start only at a login.`,
          `\`loginctl enable-linger ${user}\` lets them start with the host.`,
          { check: 'linger' },
        ),
      ];
};

function lasting(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
