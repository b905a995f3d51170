/** The version that is to run is tried where it will run, with the file it will read, before anything is switched to it. */
import { CcliError } from '../../../protocol/errors.ts';
import { type NodeCheck, NodeCheckSchema } from '../../../protocol/finding.ts';
import { lastLines, quote } from '../shell.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';

const CHECK_LIMIT_MS = 120_000;
/** What the daemon itself, or its service, is not there for yet. */
const LATER: ReadonlySet<string> = new Set(['unit', 'daemon', 'service', 'state', 'socket', 'process']);

export function tryStep(work: Work): Step {
  const { shell, paths, version, progress, replaces_version, watcher } = work;
  const program = quote(`${paths.versions}/${version}/bin/ccli`);
  return {
    name: 'try',
    look: () =>
      Promise.resolve(
        replaces_version || progress.restart.length > 0
          ? { would: `run ${version} once, and let it check its configuration` }
          : { right: 'nothing new to try' },
      ),
    async act() {
      await shell.run(`${program} --version`);
      const result = await shell.ask(`${program} node-agent check --json --config ${quote(paths.config)}`, {
        timeout_ms: CHECK_LIMIT_MS,
      });
      const check = parse(result.stdout);
      if (check === undefined)
        throw new CcliError(
          'remote_command_failed',
          `ccli ${version} on ${shell.host} does not check its configuration: ${lastLines(result.stderr, 3) || `exit code ${result.code ?? 'unknown'}`}`,
        );
      for (const { outcome, says, mend, check: name } of check.checks)
        if (outcome === 'warn' && !LATER.has(name)) watcher.note(`${says} ${mend ?? ''}`.trim());
      const failed = check.checks.filter(one => one.outcome === 'fail' && !LATER.has(one.check));
      const [first] = failed;
      if (first !== undefined)
        throw new CcliError(
          first.code ?? 'host_not_ready',
          failed.map(({ says, mend }) => `${says} ${mend ?? ''}`.trim()).join(' '),
        );
      return `${version} runs there, and its configuration is right`;
    },
  };
}

function parse(text: string): NodeCheck | undefined {
  try {
    return NodeCheckSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
