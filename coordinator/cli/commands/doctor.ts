/** `ccli doctor`. */
import { type Command, Option } from 'commander';
import { isLoopback } from '../../../protocol/daemon/judge-nats.ts';
import { ERRORS } from '../../../protocol/errors.ts';
import { WORST_EXIT } from '../../../protocol/finding.ts';
import { examine } from '../../doctor/doctor.ts';
import type { DoctorReport } from '../../doctor/report.ts';
import type { Ssh } from '../../ssh/ssh.ts';
import type { Action } from '../action.ts';
import type { Cli } from '../cli.ts';
import { openClient } from '../client.ts';
import { findFleet } from '../discovery.ts';
import { takeInterrupts } from '../interrupts.ts';
import { type CommonFlags, parseInteger, quietOption, withFleetOptions } from '../options.ts';
import { doctorReport } from '../render/doctor.ts';
import { type SshFlags, withSsh, withSshOptions } from '../ssh-options.ts';
import { hostProgress } from '../step-progress.ts';
import { version } from '../version.ts';

interface DoctorFlags extends CommonFlags, SshFlags {
  /** False with `--no-prompts`. */
  readonly prompts: boolean;
  readonly concurrency: number;
}

const AT_ONCE = 4;

export function addDoctor(program: Command, action: Action): void {
  const command = program
    .command('doctor')
    .description('look whether everything works, and say how to mend what does not')
    .argument('[hosts...]', 'also looked at over SSH: any names that `ssh` takes')
    .addOption(new Option('--no-prompts', 'send no short test prompts, each of which costs a model call'))
    .addOption(
      new Option('--concurrency <n>', 'the most test prompts at a time to one agent')
        .argParser(parseInteger(1, 64))
        .default(AT_ONCE),
    )
    .addHelpText('after', EXAMPLES);
  withSshOptions(withFleetOptions(command)).addOption(quietOption()).action(action(doctorCommand));
}

const EXAMPLES = `
Changes nothing. Test prompts go to each agent that can take one: one, then 2, 4, … at a time until one fails.
With hosts, of the nodes only those are looked at. Ctrl-C prints what is known by then.
The exit code tells the worst: 0 all is well, 9 something is worth a look, 1 something is broken.

Examples:
  ccli doctor
  ccli doctor walnut ironwood
  ccli doctor --no-prompts --json | jq '.checks[] | select(.outcome == "fail")'`;

async function doctorCommand(cli: Cli, hosts: string[], flags: DoctorFlags): Promise<number> {
  if (hosts.length === 0) return await look(cli, { hosts, flags, openSsh: noSsh });
  return await withSsh(cli, flags, ssh => look(cli, { hosts, flags, openSsh: () => Promise.resolve(ssh) }));
}

const noSsh = (): Promise<Ssh> => Promise.reject(new Error('no host was named'));

interface LookOptions {
  readonly hosts: readonly string[];
  readonly flags: DoctorFlags;
  readonly openSsh: () => Promise<Ssh>;
}

async function look(cli: Cli, { hosts, flags, openSsh }: LookOptions): Promise<number> {
  const interrupts = takeInterrupts(cli.io);
  const quiet = flags.json === true || flags.quiet === true;
  const progress = hostProgress(cli, { quiet, prefix: undefined });
  try {
    const report = await examine({
      hosts,
      openSsh,
      openFleet: async () => {
        const address = await findFleet(flags, cli.io.environment);
        return { access: await openClient(address), address };
      },
      natsUrl: () => reachableUrl(cli, flags),
      version: version(),
      concurrency: flags.prompts ? flags.concurrency : 0,
      signal: interrupts.first,
      onStart: title => {
        progress.progress(`looking at ${title}`);
      },
    });
    progress.pause();
    tell(cli, flags, report);
    return report.interrupted === true ? ERRORS.cancelled.exit : WORST_EXIT[report.worst];
  } finally {
    interrupts.release();
    progress.pause();
  }
}

/** An address of this host alone tells another host nothing. */
async function reachableUrl(cli: Cli, flags: DoctorFlags): Promise<string | undefined> {
  try {
    const { nats } = await findFleet(flags, cli.io.environment);
    return nats.url.split(',').some(isLoopback) ? undefined : nats.url;
  } catch {
    // The fleet's own checks say what is wrong with that.
    return undefined;
  }
}

function tell(cli: Cli, flags: DoctorFlags, report: DoctorReport): void {
  if (flags.json === true) cli.json(report);
  else cli.stdout.write(doctorReport(report, cli.stdout.colors));
}
