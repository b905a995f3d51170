/** The bundle, in a directory of its own beside the versions that are there. */
import { makeDirectories } from '../place.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';
import { removeVersions } from '../switch.ts';
import { lookAtBundle, uploadBundle } from '../upload.ts';

export function uploadStep(work: Work): Step {
  const { host, shell, signal, paths, bundle, facts, changes, record, watcher, progress } = work;
  const place = { base: paths.share, signal };
  const node = facts.node?.path;
  const options = { base: paths.share, signal: shell.signal, ...(node !== undefined && { node }) };
  const size = `${Math.ceil(bundle.size_bytes / 1_024)} KiB`;
  return {
    name: 'upload',
    async look() {
      // Of another version than this one's nobody here knows how it should be.
      if (work.version !== bundle.version) return { right: `version ${work.version} is there` };
      const there = await lookAtBundle(host, bundle, options);
      if (there === 'whole') return { right: `version ${bundle.version} is there` };
      if (there === 'damaged')
        return { would: `replace version ${bundle.version}, which is damaged (${size})` };
      return { would: `upload version ${bundle.version} (${size}) to ${paths.versions}` };
    },
    async act() {
      const made = await makeDirectories(work, { path: paths.versions, mode: 0o755 });
      await record.update({ directories: [...record.now.directories, ...made] });
      const former = [...facts.installed.versions];
      changes.note(`${paths.versions}/${bundle.version}`, async again => {
        await removeVersions(host, former, { ...place, signal: again.signal });
      });
      const outcome = await uploadBundle(host, bundle, {
        ...options,
        onProgress: (sent, total) => {
          watcher.progress(`uploading ${bundle.version}: ${Math.floor((sent * 100) / Math.max(1, total))} %`);
        },
      });
      if (facts.installed.current === work.version) progress.restart.push('its files were damaged');
      return outcome === 'uploaded' ? `uploaded ${bundle.version}` : `${bundle.version} is there`;
    },
  };
}
