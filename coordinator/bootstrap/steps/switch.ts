/** The version that runs, and the command by which it is called: both are links, switched at once. */
import { makeDirectories, placeLink } from '../place.ts';
import { quote } from '../shell.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';
import { switchOff, switchTo } from '../switch.ts';

/** Relative, so that a home can be moved. */
const COMMAND_TARGET = '../share/ccli/current/bin/ccli';

export function switchStep(work: Work): Step {
  const { host, shell, signal, paths, version, facts, changes, record, progress } = work;
  const place = { base: paths.share, signal };
  const before = facts.installed.current;

  const linked = async (): Promise<boolean> =>
    (await shell.ask(`readlink ${quote(paths.command)}`)).stdout.trim() === COMMAND_TARGET;

  return {
    name: 'switch',
    async look() {
      const todo =
        before === version ? [] : [`use ${version}${before === undefined ? '' : ` in place of ${before}`}`];
      if (!(await linked())) todo.push(`link ${paths.command}`);
      return todo.length === 0 ? { right: `${version} is in use` } : { would: todo.join(', ') };
    },
    async act() {
      if (before !== version) {
        changes.note(`the version in use`, async again => {
          const there = { ...place, signal: again.signal };
          if (before === undefined) await switchOff(host, there);
          else await switchTo(host, before, there);
        });
        await switchTo(host, version, place);
        await record.update({ version, ...(before !== undefined && { previous: before }) });
        progress.restart.push(`it is version ${version} now`);
      }
      if (!(await linked())) {
        const made = await makeDirectories(work, { path: `${paths.home}/.local/bin`, mode: 0o755 });
        await placeLink(work, { path: paths.command, target: COMMAND_TARGET });
        await record.update({
          directories: [...record.now.directories, ...made],
          files: { ...record.now.files, [paths.command]: COMMAND_TARGET },
        });
      }
      return `${version} is in use`;
    },
  };
}
