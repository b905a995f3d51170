/** Looks at a host before anything is changed: what is there, what is wanted, and whether the one can become the other. */
import { CcliError } from '../../protocol/errors.ts';
import type { Finding } from '../../protocol/finding.ts';
import { DEFAULT_PREFIX } from '../../protocol/subjects.ts';
import type { Bundle } from '../bundle/bundle.ts';
import { type ConfigPlan, planConfig } from './config-plan.ts';
import { CREDENTIAL_NAMES, type CredentialKind } from './credentials.ts';
import type { HostFacts } from './facts.ts';
import { type FleetDoor, findNode } from './fleet-door.ts';
import { judge } from './judge.ts';
import { checkNatsAddress, isLoopbackAddress } from './nats-address.ts';
import { nodeNameOf } from './node-name.ts';
import { preflight } from './preflight.ts';
import type { ServiceKind } from './record.ts';
import { chooseService } from './service/choose.ts';
import { processService } from './service/process.ts';
import type { Service } from './service/service.ts';
import { systemService } from './service/system.ts';
import { userService } from './service/user.ts';
import { quote, type Shell } from './shell.ts';
import type { Site, Wishes } from './site.ts';

export interface Survey {
  readonly facts: HostFacts;
  readonly plan: ConfigPlan;
  readonly node: string;
  readonly state_dir: string;
  readonly service: Service;
  readonly version: string;
  readonly replaces_version: boolean;
}

interface SurveyOptions {
  readonly site: Site;
  readonly wishes: Wishes;
  readonly fleet: FleetDoor;
  readonly bundle: Bundle;
  /** The name it gives itself. */
  readonly hostname: string;
  /** Of this machine; undefined where that is not to be had. */
  readonly own_boot_id: string | undefined;
}

/** @throws CcliError of the first finding that fails, naming them all; `config_invalid`, `node_not_installed` */
export async function survey(options: SurveyOptions): Promise<Survey> {
  const { site, wishes, bundle, own_boot_id } = options;
  const { shell, paths, record, host, watcher, signal } = site;
  const plan = await planFor(options);
  if (plan.note !== undefined) watcher.note(plan.note);
  const node = plan.facts.node ?? record.now.node;
  const nats_url = plan.facts.nats_url ?? options.fleet.nats_url;
  await refuseTaken(options, node);
  checkNatsAddress({
    url: nats_url,
    host: host.name,
    same_machine: isLoopbackAddress(nats_url) && (await isHere(shell, own_boot_id)),
  });
  const { gemini } = plan.facts;
  const node_version = wishes.node_version ?? gemini?.node_version;
  const wanted = {
    ...(node_version !== undefined && { node_version }),
    nats_url,
    gemini: gemini !== undefined && !gemini.own_command,
    brings_key: gemini?.own_sign_in === true,
  };
  watcher.progress('looking at the host');
  const facts = await preflight(host, wanted, signal);
  const kind = chooseService({
    asked: wishes.service,
    installed: record.now.service,
    host: host.name,
    facts,
  });
  const findings = judge(facts, { ...wanted, service: kind === 'process' ? 'none' : kind });
  for (const { outcome, says, mend } of findings) if (outcome === 'warn') watcher.note(sentence(says, mend));
  refuseFailures(findings);
  const state_dir = absolute(plan.facts.state_dir ?? `${paths.state}/node-agent`, paths.home);
  const installed = installedVersion(facts);
  if (wishes.upgrade && installed === undefined)
    throw new CcliError(
      'node_not_installed',
      `Nothing is installed on ${host.name} that could be upgraded; run \`ccli bootstrap ${host.name}\` without --upgrade.`,
    );
  const version = wishes.upgrade ? bundle.version : (installed ?? bundle.version);
  if (version !== bundle.version)
    watcher.note(
      `${host.name} runs ${version} and keeps it; this is ${bundle.version}: --upgrade replaces it.`,
    );
  return {
    facts,
    plan,
    node,
    state_dir,
    version,
    replaces_version: version !== installed,
    service: await serviceOf(kind, options, { state_dir, plan }),
  };
}

/** @throws CcliError also when no coordinator answers: nothing could be waited for then */
async function refuseTaken({ site, fleet }: SurveyOptions, node: string): Promise<void> {
  const seen = await findNode(fleet, node, site.signal);
  if (site.record.found || seen?.alive !== true) return;
  throw new CcliError(
    'bootstrap_failed',
    `A node called ${node} is in the fleet already, and not by a bootstrap of ${site.host.name}; stop that one, or give this one another name with --node.`,
  );
}

/** One that `current` names and that is there. */
const installedVersion = ({ installed }: HostFacts): string | undefined =>
  installed.versions.find(version => version === installed.current);

async function planFor({ site, wishes, fleet, hostname }: SurveyOptions): Promise<ConfigPlan> {
  const { shell, paths, record, host } = site;
  const file = quote(paths.config);
  const said = await shell.run(`if [ -e ${file} ]; then stat -c %a ${file}; cat ${file}; fi`);
  const end = said.indexOf('\n');
  const existing =
    said === '' ? undefined : { mode: Number.parseInt(said.slice(0, end), 8), content: said.slice(end + 1) };
  const credential = (kind: CredentialKind): string | undefined =>
    wishes.credentials.find(one => one.kind === kind)?.name;
  const there = (kind: CredentialKind): string | undefined =>
    `${paths.credentials}/${CREDENTIAL_NAMES[kind]}` in record.now.files ? CREDENTIAL_NAMES[kind] : undefined;
  return planConfig({
    node: wishes.node ?? (record.found ? record.now.node : nodeNameOf(host.name, hostname)),
    existing,
    written_sha256: record.now.files[paths.config],
    given: wishes.config,
    force: wishes.force_config,
    asked: {
      node: wishes.node,
      nats_url: wishes.nats_url,
      node_version: wishes.node_version,
      nats_credentials: credential('nats_credentials'),
      nats_token: credential('nats_token'),
      gemini_api_key: credential('gemini_api_key'),
    },
    defaults: {
      nats_url: fleet.nats_url,
      ...(fleet.prefix !== DEFAULT_PREFIX && { prefix: fleet.prefix }),
      // What an earlier run has brought along is still there.
      nats_credentials: there('nats_credentials'),
      nats_token: there('nats_token'),
      gemini_api_key: there('gemini_api_key'),
    },
  });
}

/** Whether the host is the machine this runs on, whatever it is called. */
async function isHere(shell: Shell, own_boot_id: string | undefined): Promise<boolean> {
  if (own_boot_id === undefined) return false;
  const { stdout } = await shell.ask('cat /proc/sys/kernel/random/boot_id');
  return stdout.trim() === own_boot_id;
}

function refuseFailures(findings: readonly Finding[]): void {
  const failed = findings.filter(({ outcome }) => outcome === 'fail');
  const [first] = failed;
  if (first === undefined) return;
  throw new CcliError(
    first.code ?? 'host_not_ready',
    failed.map(({ says, mend }) => sentence(says, mend)).join(' '),
  );
}

const sentence = (says: string, mend: string | undefined): string =>
  mend === undefined ? says : `${says} ${mend}`;

const absolute = (path: string, home: string): string =>
  path.replace(/^~(?=\/|$)/, () => home).replace(/^(?!\/)/, () => `${home}/`);

async function serviceOf(
  kind: ServiceKind,
  { site, bundle }: SurveyOptions,
  { state_dir, plan }: Pick<Survey, 'state_dir' | 'plan'>,
): Promise<Service> {
  const { shell, user, paths } = site;
  const { drain_timeout_ms } = plan.facts;
  const directories = plan.facts.directories.map(directory => absolute(directory, paths.home));
  if (kind === 'process') return processService({ paths, drain_timeout_ms });
  if (kind === 'user') return userService({ bundle, user, paths, drain_timeout_ms });
  const { code } = await shell.ask('[ -e /dev/nvidiactl ] || [ -e /dev/kfd ]');
  return systemService({
    bundle,
    user,
    paths,
    state_dir,
    directories,
    drain_timeout_ms,
    has_gpu: code === 0,
  });
}
