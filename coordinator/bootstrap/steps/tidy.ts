/** What only a rollback would have needed, and versions from before the last one. */
import { quote } from '../shell.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';
import { installedVersions, removeVersions } from '../switch.ts';

export function tidyStep(work: Work): Step {
  const { host, shell, signal, paths, record } = work;
  const place = { base: paths.share, signal };
  const keep = (): string[] =>
    [record.now.version, record.now.previous].filter(version => version !== undefined);
  const stale = async (): Promise<string[]> => {
    const { versions, partial, current } = await installedVersions(host, place);
    return [...versions.filter(one => one !== current && !keep().includes(one)), ...partial];
  };
  const undo = `${quote(paths.undo)}*`;
  return {
    name: 'tidy',
    async look() {
      const old = await stale();
      const kept = (await shell.ask(`ls -d ${undo}`)).code === 0;
      if (old.length === 0 && !kept) return { right: 'nothing is left over' };
      return { would: old.length === 0 ? 'remove what a rollback would need' : `remove ${old.join(', ')}` };
    },
    async act() {
      const removed = await removeVersions(host, keep(), place);
      await shell.run(`rm -rf ${undo}`);
      return removed.length === 0 ? 'done' : `removed ${removed.join(', ')}`;
    },
  };
}
