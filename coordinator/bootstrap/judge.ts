/** What a host's facts mean for a node-agent there. Pure. */
import { type Finding, fail, ok, skipped, type Verdict, warn } from '../../protocol/finding.ts';
import type { HostFacts, Wanted } from './facts.ts';
import { judgeNode } from './judge-node.ts';

const MIB = 1024 * 1024;
/** A bundle, the one before it, and a journal with some results. */
export const LEAST_FREE_BYTES = 200 * MIB;
/** Nothing is decided by comparing clocks; times shown would be odd. */
export const MOST_SKEW_MS = 2_000;

type Check = (facts: HostFacts, wanted: Wanted) => Verdict;

const CHECKS: Readonly<Record<string, Check>> = {
  system: ({ system, os, kernel }) =>
    system === 'Linux'
      ? ok(`Linux ${kernel}, ${os.id}${os.version === undefined ? '' : ` ${os.version}`}.`)
      : fail(`The host runs ${system}.`, 'A node-agent runs on Linux; choose another host.', {
          code: 'host_not_ready',
        }),
  architecture: ({ arch, libc }) => {
    if (arch !== 'x64' && arch !== 'arm64')
      return fail(`The host's architecture is ${arch}.`, 'Choose a host with x64 or arm64.', {
        code: 'host_not_ready',
      });
    return libc === 'musl'
      ? warn(
          `${arch}, with musl.`,
          'The official builds of Node, which nvm installs, need glibc: use the Node of the distribution.',
        )
      : ok(`${arch}, with ${libc === 'unknown' ? 'a libc that was not recognised' : libc}.`);
  },
  systemd: judgeSystemd,
  disk: ({ free_bytes }) => {
    if (free_bytes === undefined)
      return warn('How much room there is could not be told.', 'Look with `df -h ~/.local`.');
    const says = `${Math.floor(free_bytes / MIB)} MiB are free.`;
    return free_bytes < LEAST_FREE_BYTES
      ? fail(says, `Free some on the disk of ~/.local: ${LEAST_FREE_BYTES / MIB} MiB are needed.`, {
          code: 'disk_full',
        })
      : ok(says);
  },
  home: ({ not_writable, home, user }) =>
    not_writable.length === 0
      ? ok(`${home} is writable.`)
      : fail(
          `${user} cannot write in ${not_writable.join(', ')}.`,
          `Make it a directory of ${user}: \`sudo chown -R ${user} ${not_writable.join(' ')}\`.`,
          { code: 'permission_denied' },
        ),
  node: judgeNode,
  gemini: judgeGemini,
  sign_in: judgeSignIn,
  clock: ({ clock }) => {
    const { offset_ms, uncertainty_ms } = clock;
    if (!Number.isFinite(uncertainty_ms))
      return warn('The time of the host could not be read.', 'Look whether `date +%s` works there.');
    const says = `The host's clock is ${seconds(Math.abs(offset_ms))} ${offset_ms < 0 ? 'behind' : 'ahead of'} this one.`;
    // Only what cannot be the slowness of the line.
    return Math.abs(offset_ms) - uncertainty_ms > MOST_SKEW_MS
      ? warn(says, 'Set the clocks by NTP on both sides: `timedatectl set-ntp true`.')
      : ok(Math.abs(offset_ms) <= uncertainty_ms ? 'The clocks agree, as far as the line lets see.' : says);
  },
  nats: judgeNats,
};

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;

export const judge = (facts: HostFacts, wanted: Wanted): readonly Finding[] =>
  Object.entries(CHECKS).map(([check, look]) => ({ ...look(facts, wanted), check }));

function judgeSystemd({ systemd, may_be_root, user }: HostFacts, { service }: Wanted): Verdict {
  const { version } = systemd;
  if (service === 'none') return skipped('No unit is asked for.');
  if (!systemd.system) {
    const says =
      version === undefined
        ? 'The host has no systemd.'
        : `systemd ${version} is installed, and does not run this host.`;
    return service === undefined
      ? warn(
          says,
          '`ccli bootstrap` starts a process there, which nothing starts again when it ends or the host restarts.',
        )
      : fail(says, 'Use --service process there.', { code: 'host_not_ready' });
  }
  const named = version === undefined ? 'systemd' : `systemd ${version}`;
  if (service === 'system')
    return may_be_root
      ? ok(`${named}, and ${user} may install a unit of the system.`)
      : fail(
          `${named}; ${user} may not become root without a password.`,
          'Use a unit of the user, or allow sudo without a password.',
          { code: 'permission_denied' },
        );
  if (systemd.user || may_be_root || service === undefined)
    return ok(`${named}${systemd.user ? `, and a manager of ${user} runs` : ''}.`);
  return systemd.linger === true
    ? warn(
        `${named}; ${user} has a manager that does not answer.`,
        `Look with \`systemctl status user@$(id -u ${user})\`.`,
      )
    : warn(
        `${named}; no manager of ${user} runs while nobody is logged in.`,
        `Allow it: \`sudo loginctl enable-linger ${user}\`.`,
      );
}

function judgeGemini({ gemini, node, nvm_dir }: HostFacts, wanted: Wanted): Verdict {
  if (wanted.gemini === false) return skipped('No agent there uses gemini.');
  if (gemini !== undefined) return ok(`gemini ${gemini.version ?? 'of an unknown version'}, ${gemini.path}.`);
  // Each Node of nvm has its own: also one that is still to be installed.
  const version = node?.version ?? wanted.node_version;
  const of_nvm = node === undefined ? version !== undefined : node.from === 'nvm';
  const under = nvm_dir !== undefined && of_nvm ? `. ${nvm_dir}/nvm.sh && nvm use ${version ?? ''} && ` : '';
  return fail(
    `gemini is not installed${version === undefined ? '' : ` under Node ${version}`}.`,
    `Install it there: \`${under}npm install -g @google/gemini-cli\`.`,
    { code: 'cli_missing' },
  );
}

function judgeSignIn({ sign_in }: HostFacts, wanted: Wanted): Verdict {
  if (wanted.gemini === false) return skipped('No agent there uses gemini.');
  if (wanted.brings_key === true) return ok('A key is brought along.');
  const { auth_type, login_files, keys } = sign_in;
  // What is only in the environment of a login does not reach a daemon.
  const lasting = keys.filter(key => key !== 'environment');
  if (lasting.length > 0) return ok(`A key is there: ${lasting.join(', ')}.`);
  const bring =
    'Write a line GEMINI_API_KEY=… into ~/.gemini/.env there, or bring a key with `ccli bootstrap --gemini-api-key-file FILE`.';
  if (auth_type !== undefined && auth_type !== 'gemini-api-key')
    return login_files.length > 0 || !auth_type.startsWith('oauth')
      ? warn(`gemini is set to sign in by ${auth_type}; whether that works shows when it is asked.`, bring)
      : fail(`gemini is set to sign in by ${auth_type}, and nobody has.`, bring, {
          code: 'cli_not_signed_in',
        });
  return fail(
    keys.length > 0
      ? 'The key is in the environment of a login alone, where a daemon does not see it.'
      : 'gemini is not signed in: there is no key and no login.',
    bring,
    { code: 'cli_not_signed_in' },
  );
}

function judgeNats({ nats }: HostFacts, { nats_optional = false }: Wanted): Verdict {
  if (nats === undefined) return skipped('No address of NATS was given.');
  const shown = nats.servers.map(({ address, reason }) =>
    reason === undefined ? address : `${address} (${reason})`,
  );
  if (nats.reached === 'yes')
    return ok(
      `NATS is reached from there: ${nats.servers.find(({ reached }) => reached === 'yes')?.address ?? ''}.`,
    );
  if (nats.reached === 'unknown')
    return warn(
      `Whether NATS is reached from there could not be told: ${shown.join(', ')}.`,
      'It needs a Node or bash to look.',
    );
  const local = nats.servers.some(({ address }) => /^(localhost|127\.|\[::1\])/.test(address));
  const mend = local
    ? 'This address means the host itself there: give one by which the host reaches the server.'
    : 'Check the address, that NATS listens on it, and the firewalls in between.';
  const says = `NATS is not reached from there: ${shown.join(', ')}.`;
  return nats_optional ? warn(says, mend) : fail(says, mend, { code: 'nats_unreachable' });
}
