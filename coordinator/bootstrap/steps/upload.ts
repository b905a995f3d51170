/** The bundle, in a directory of its own beside the versions that are there. */
import { makeDirectories } from '../place.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';
import { removeVersions } from '../switch.ts';
import { uploadBundle } from '../upload.ts';

export function uploadStep(work: Work): Step {
  const { host, shell, signal, paths, bundle, facts, changes, record, watcher } = work;
  const place = { base: paths.share, signal };
  const is_there = facts.installed.versions.includes(work.version);
  return {
    name: 'upload',
    look: () =>
      Promise.resolve(
        is_there
          ? { right: `version ${work.version} is there` }
          : {
              would: `upload version ${bundle.version} (${Math.ceil(bundle.size_bytes / 1_024)} KiB) to ${paths.versions}`,
            },
      ),
    async act() {
      const made = await makeDirectories(work, { path: paths.versions, mode: 0o755 });
      await record.update({ directories: [...record.now.directories, ...made] });
      const former = [...facts.installed.versions];
      changes.note(`${paths.versions}/${bundle.version}`, async again => {
        await removeVersions(host, former, { ...place, signal: again.signal });
      });
      const outcome = await uploadBundle(host, bundle, {
        base: paths.share,
        signal: shell.signal,
        onProgress: (sent, total) => {
          watcher.progress(`uploading ${bundle.version}: ${Math.floor((sent * 100) / Math.max(1, total))} %`);
        },
      });
      return outcome === 'uploaded' ? `uploaded ${bundle.version}` : `${bundle.version} is there`;
    },
  };
}
