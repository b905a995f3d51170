/** `ccli bootstrap`. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { CcliError, ERRORS, type ErrorBody, toErrorBody } from '../../../protocol/errors.ts';
import { type Bootstrapped, bootstrap } from '../../bootstrap/bootstrap.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import type { FleetDoor } from '../../bootstrap/fleet-door.ts';
import { forHosts } from '../../bootstrap/for-hosts.ts';
import { readConfig } from '../../bootstrap/node-config.ts';
import { ownBootId } from '../../bootstrap/own-boot-id.ts';
import { SERVICE_KINDS, type ServiceKind } from '../../bootstrap/record.ts';
import type { Wishes } from '../../bootstrap/site.ts';
import { type Uninstalled, uninstall } from '../../bootstrap/uninstall.ts';
import type { Bundle } from '../../bundle/bundle.ts';
import { readBundle } from '../../bundle/read.ts';
import type { Ssh } from '../../ssh/ssh.ts';
import type { Action } from '../action.ts';
import { CALLER, type Cli } from '../cli.ts';
import { openClient } from '../client.ts';
import { findFleet } from '../discovery.ts';
import { type Interrupts, takeInterrupts } from '../interrupts.ts';
import {
  type CommonFlags,
  parseDurationFlag,
  parseInteger,
  parseName,
  quietOption,
  withFleetOptions,
} from '../options.ts';
import { summaryText } from '../render/bootstrap.ts';
import { writeError } from '../render/error.ts';
import { type SshFlags, withSsh, withSshOptions } from '../ssh-options.ts';
import { hostProgress } from '../step-progress.ts';

interface BootstrapFlags extends CommonFlags, SshFlags {
  readonly nodeVersion?: string;
  readonly node?: string;
  readonly natsUrl?: string;
  readonly config?: string;
  readonly forceConfig?: true;
  readonly credentials?: string;
  readonly natsTokenFile?: string;
  readonly geminiApiKeyFile?: string;
  readonly service: ServiceKind | 'auto';
  /** False with `--no-canary`. */
  readonly canary: boolean;
  readonly timeout: number;
  readonly parallel: number;
  readonly dryRun?: true;
  readonly upgrade?: true;
  readonly uninstall?: true;
  readonly keepState?: true;
  readonly yes?: true;
}

const PATIENCE_MS = 90_000;
/** Names of aliases among them. */
const NODE_VERSION = /^[\w.-]+(?:\/[\w.*-]+)?$/;
const AT_ONCE = 4;

export function addBootstrapCommand(program: Command, action: Action): void {
  const command = program
    .command('bootstrap')
    .description('make hosts members of the fleet, over SSH')
    .addArgument(new Argument('<hosts...>', 'any names that `ssh` takes'));
  for (const [flags, description] of WHAT) command.addOption(new Option(flags, description));
  command
    .addOption(
      new Option('--node <name>', "what the node is called (default: the host's name)").argParser(parseName),
    )
    .addOption(
      new Option('--service <kind>', 'what keeps it running')
        .choices(['auto', ...SERVICE_KINDS])
        .default('auto'),
    )
    .addOption(
      new Option('--timeout <duration>', 'longest to wait for the first advert, and for the canary')
        .argParser(parseDurationFlag)
        .default(PATIENCE_MS, '90s'),
    )
    .addOption(
      new Option('--parallel <n>', 'hosts at the same time').argParser(parseInteger(1, 64)).default(AT_ONCE),
    )
    .addHelpText('after', EXAMPLES);
  withSshOptions(withFleetOptions(command)).addOption(quietOption()).action(action(bootstrapCommand));
}

const WHAT: readonly (readonly [string, string])[] = [
  ['--node-version <version>', 'the Node that ccli and gemini run under, as nvm has it there: v22.14.0'],
  ['--upgrade', 'replace the version that is there by this one; back to the old one if it does not work'],
  ['--uninstall', 'take everything away again that bootstrap has put there'],
  ['--dry-run', 'change nothing, and say what would be done'],
  ['--nats-url <url>', "the NATS server as the host sees it (default: the fleet's own address)"],
  ['--credentials <file>', 'a .creds file for NATS, copied to the host'],
  ['--nats-token-file <file>', 'a token for NATS, copied to the host'],
  ['--gemini-api-key-file <file>', 'a key for the gemini CLI, copied to the host'],
  ['--config <file>', 'a configuration for the node-agent, in place of one with a gemini agent'],
  ['--force-config', 'replace a configuration that was edited on the host, and keep a backup'],
  ['--no-canary', 'do not send the agent a short prompt at the end'],
  ['--keep-state', 'with --uninstall: leave the journal and results of the node-agent'],
  ['--yes', 'with --uninstall: also when results are lost that the fleet has not got yet'],
];

const EXAMPLES = `
Safe to repeat: what is right already stays as it is. When a step fails, what was done is taken back.
The default for --service is a unit of the system where sudo asks for no password, else one of the user; where no systemd
runs, a process that nothing starts again.

Examples:
  ccli bootstrap walnut
  ccli bootstrap walnut ironwood --node-version v22.14.0 --nats-url nats://10.0.0.2:4222 --gemini-api-key-file key
  ccli bootstrap walnut --dry-run
  ccli bootstrap walnut --upgrade
  ccli bootstrap walnut --uninstall`;

interface HostResult {
  readonly host: string;
  readonly steps?: Bootstrapped['steps'];
  readonly summary?: Bootstrapped['summary'];
  readonly removed?: Uninstalled['node'];
  readonly error?: ErrorBody;
}

async function bootstrapCommand(cli: Cli, named: readonly string[], flags: BootstrapFlags): Promise<number> {
  const hosts = [...new Set(named)];
  refuseContradictions(hosts, flags);
  const bundle = await readBundle();
  const interrupts = takeInterrupts(cli.io);
  try {
    return await withSsh(cli, flags, async ssh => {
      const run = { cli, flags, hosts, bundle, ssh, interrupts };
      return flags.uninstall === true ? await removeAll(run) : await installAll(run);
    });
  } finally {
    interrupts.release();
  }
}

interface Run {
  readonly cli: Cli;
  readonly flags: BootstrapFlags;
  readonly hosts: readonly string[];
  readonly bundle: Bundle;
  readonly ssh: Ssh;
  readonly interrupts: Interrupts;
}

async function installAll(run: Run): Promise<number> {
  const { cli, flags, bundle, ssh, interrupts } = run;
  const wishes = await wishesOf(flags, run.hosts);
  const address = await findFleet(flags, cli.io.environment);
  const client = await openClient(address);
  const fleet: FleetDoor = {
    operations: client.operations,
    nats_url: address.nats.url,
    prefix: address.prefix,
    caller: CALLER,
  };
  try {
    return await forEach(run, async (host, watcher) => {
      const { steps, summary } = await bootstrap({
        host: ssh.host(host),
        fleet,
        bundle,
        wishes,
        watcher,
        signal: interrupts.first,
        at_once: interrupts.second,
        own_boot_id: await ownBootId(),
      });
      return { steps, ...(summary !== undefined && { summary }) };
    });
  } finally {
    await client.close();
  }
}

const removeAll = (run: Run): Promise<number> =>
  forEach(run, async (host, watcher) => {
    const { flags, bundle, ssh, interrupts } = run;
    const { steps, node } = await uninstall({
      host: ssh.host(host),
      bundle,
      watcher,
      signal: interrupts.first,
      dry_run: flags.dryRun === true,
      keep_state: flags.keepState === true,
      yes: flags.yes === true,
    });
    return { steps, removed: node };
  });

/** @returns the exit code of the worst */
async function forEach(
  { cli, flags, hosts }: Run,
  work: (host: string, watcher: ReturnType<typeof hostProgress>) => Promise<Omit<HostResult, 'host'>>,
): Promise<number> {
  const quiet = flags.quiet === true || flags.json === true;
  const width = Math.max(...hosts.map(host => host.length));
  const settled = await forHosts(hosts, flags.parallel, async host => {
    const progress = hostProgress(cli, {
      quiet,
      prefix: hosts.length === 1 ? undefined : host.padEnd(width),
    });
    try {
      return await work(host, progress);
    } finally {
      progress.pause();
    }
  });
  const results = settled.map((result, index): HostResult => {
    const host = hosts[index] ?? '';
    if (result.status === 'fulfilled') return { host, ...result.value };
    return { host, error: toErrorBody(result.reason) };
  });
  tell(cli, flags, results);
  return Math.max(...results.map(({ error }) => (error === undefined ? 0 : ERRORS[error.code].exit)));
}

function tell(cli: Cli, flags: BootstrapFlags, results: readonly HostResult[]): void {
  if (flags.json === true) {
    cli.json({ hosts: results });
    return;
  }
  const texts = results.flatMap(({ summary }) =>
    summary === undefined ? [] : [summaryText(summary, cli.stdout.colors)],
  );
  cli.stdout.write(texts.join('\n'));
  for (const { error } of results) if (error !== undefined) writeError(cli.stderr, error);
}

function refuseContradictions(hosts: readonly string[], flags: BootstrapFlags): void {
  const refuse = (says: string): never => {
    throw new CcliError('invalid_request', says);
  };
  if (flags.upgrade === true && flags.uninstall === true) refuse('Either --upgrade or --uninstall.');
  if (flags.node !== undefined && hosts.length > 1)
    refuse('--node names one host; give the others a run of their own.');
  if (flags.nodeVersion !== undefined && !NODE_VERSION.test(flags.nodeVersion))
    refuse(`"${flags.nodeVersion}" is no version of Node as nvm has it: v22.14.0, 22 or lts/jod.`);
  if (flags.uninstall !== true && (flags.keepState === true || flags.yes === true))
    refuse('--keep-state and --yes belong to --uninstall.');
}

async function wishesOf(flags: BootstrapFlags, hosts: readonly string[]): Promise<Wishes> {
  const config = flags.config === undefined ? undefined : await readConfigFile(resolve(flags.config));
  if (config !== undefined && hosts.length > 1 && readConfig(config).node !== undefined)
    throw new CcliError(
      'invalid_request',
      `${flags.config ?? 'The file'} names a node, so it is for one host; leave \`node\` out of it for several.`,
    );
  return {
    node: flags.node,
    node_version: flags.nodeVersion,
    nats_url: flags.natsUrl,
    credentials: await readCredentials({
      nats_credentials: flags.credentials,
      nats_token: flags.natsTokenFile,
      gemini_api_key: flags.geminiApiKeyFile,
    }),
    config,
    force_config: flags.forceConfig === true,
    service: flags.service,
    canary: flags.canary,
    upgrade: flags.upgrade === true,
    dry_run: flags.dryRun === true,
    patience_ms: flags.timeout,
  };
}

async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CcliError('config_invalid', `The configuration ${file} cannot be read.`, { cause });
  }
}
