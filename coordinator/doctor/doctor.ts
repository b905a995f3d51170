/** `ccli doctor`: the fleet from here, and any hosts over SSH, all side by side. Changes nothing but for short prompts. */
import { readBundle } from '../bundle/read.ts';
import type { Ssh } from '../ssh/ssh.ts';
import { examineFleet, type FleetOptions } from './fleet/examine.ts';
import { examineHost } from './host/examine.ts';
import { type DoctorFinding, type DoctorReport, reportOf } from './report.ts';

export interface DoctorOptions extends Omit<FleetOptions, 'only'> {
  /** Names that `ssh` takes. */
  readonly hosts: readonly string[];
  /** Needed with hosts alone; closed by whoever opened it. */
  readonly openSsh: () => Promise<Ssh>;
  /** Where the fleet's NATS is, if hosts may reach it by that. */
  readonly natsUrl: () => Promise<string | undefined>;
}

/** Never rejects, but for what opening SSH rejects with. */
export async function examine({ hosts, openSsh, natsUrl, ...options }: DoctorOptions): Promise<DoctorReport> {
  const { signal, onStart, version } = options;
  const names = [...new Set(hosts)];
  if (names.length === 0) return reportOf(await examineFleet(options), signal.aborted);
  const [ssh, nats_url, installs] = await Promise.all([openSsh(), natsUrl(), bundleVersion(version)]);
  const looking = names.map(name =>
    examineHost({ host: ssh.host(name), installs, nats_url, signal, onStart }),
  );
  // A host may be called otherwise than the node on it.
  const only = Promise.all(looking).then(
    examined => new Set([...names, ...examined.flatMap(({ node }) => (node === undefined ? [] : [node]))]),
  );
  const [fleet, ...examined] = await Promise.all([examineFleet({ ...options, only }), ...looking]);
  const found = examined.flatMap(({ name, findings, node }) => [
    ...findings.map((finding): DoctorFinding => ({ host: name, ...finding })),
    // What the fleet says of it belongs to the same heading.
    ...fleet
      .filter(({ host }) => host !== undefined && (host === node || host === name))
      .map((finding): DoctorFinding => ({ ...finding, host: name })),
  ]);
  const elsewhere = fleet.filter(({ host }) => host === undefined);
  return reportOf([...elsewhere, ...found], signal.aborted);
}

/** A ccli without a bundle beside it installs nothing, and can compare no more than its version. */
const bundleVersion = (version: string): Promise<string> =>
  readBundle().then(
    bundle => bundle.version,
    () => version,
  );
