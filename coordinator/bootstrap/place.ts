/** Files, links and directories on a host: put there whole or not at all, and taken back to exactly what was there. */
import { quote, type Shell } from './shell.ts';
import type { Changes } from './undo.ts';

interface Place {
  readonly shell: Shell;
  readonly changes: Changes;
  /** Where what is replaced is kept until the run has come to its end. */
  readonly undo_directory: string;
}

interface Entry {
  readonly path: string;
  readonly as_root?: boolean;
}

export interface FileToPlace extends Entry {
  readonly content: string;
  readonly mode: number;
}

/** A draft beside it, so that putting it there is one rename. */
const draftOf = (path: string): string => `${path}.ccli-new`;

export async function placeFile(place: Place, file: FileToPlace): Promise<void> {
  await keepFormer(place, file);
  await writeWhole(place.shell, file);
}

/** Without a way back: for what the run has placed itself. */
export async function writeWhole(
  shell: Shell,
  { path, content, mode, as_root = false }: FileToPlace,
): Promise<void> {
  const draft = quote(draftOf(path));
  // `cat` says why it cannot write; the `printf` of some shells does not.
  await shell.run(
    `umask 077
if printf '%s' ${quote(content)} | cat >${draft} && chmod ${mode.toString(8)} ${draft} && mv -f ${draft} ${quote(path)}
then :; else rm -f ${draft}; exit 1; fi`,
    { as_root },
  );
}

export async function placeLink(
  place: Place,
  { path, target }: Entry & { readonly target: string },
): Promise<void> {
  await keepFormer(place, { path });
  const draft = quote(draftOf(path));
  await place.shell.run(`rm -f ${draft}\nln -s ${quote(target)} ${draft}\nmv -f ${draft} ${quote(path)}`);
}

let former_count = 0;

/** Keeps the very file that is there, with its times, and notes how it comes back. @returns whether there is one */
async function keepFormer(
  { shell, changes, undo_directory }: Place,
  { path, as_root = false }: Entry,
): Promise<boolean> {
  former_count += 1;
  const former = quote(`${undo_directory}/${former_count}`);
  const file = quote(path);
  const there = await shell.ask(`[ -e ${file} ] || [ -L ${file} ]`);
  const sweep = `rm -f ${quote(draftOf(path))}`;
  if (there.code !== 0) {
    changes.note(path, async again => {
      await again.run(`${sweep} ${file}`, { as_root });
    });
    return false;
  }
  changes.note(path, async again => {
    // Done already when the former file is not kept any more.
    await again.run(
      `if [ -e ${former} ] || [ -L ${former} ]; then mv -f ${former} ${file}; fi
${sweep}
rmdir ${quote(undo_directory)} 2>/dev/null || :`,
      { as_root },
    );
  });
  await shell.run(`mkdir -p -m 700 ${quote(undo_directory)}`);
  await shell.run(
    `rm -f ${former}
{ [ ! -L ${file} ] && ln ${file} ${former} 2>/dev/null; } || cp -pP ${file} ${former}`,
    { as_root },
  );
  return true;
}

/** With those above it that are missing; gives all that were made, the outermost first. */
export async function makeDirectories(
  { shell, changes }: Pick<Place, 'shell' | 'changes'>,
  { path, mode, as_root = false }: Entry & { readonly mode: number },
): Promise<string[]> {
  const said = await shell.run(
    `path=${quote(path)}
while [ ! -d "$path" ] && [ "$path" != / ]; do printf '%s\\n' "$path"; path=$(dirname -- "$path"); done`,
  );
  const missing = said
    .split('\n')
    .filter(line => line !== '')
    .toReversed();
  if (missing.length === 0) return missing;
  changes.note(missing[0] ?? path, async again => {
    await again.run(removeEmpty(missing), { as_root });
  });
  const make = missing.map(
    directory => `mkdir -m ${(directory === path ? mode : 0o755).toString(8)} ${quote(directory)}`,
  );
  await shell.run(make.join('\n'), { as_root });
  return missing;
}

/** What somebody else has put something into stays. */
export const removeEmpty = (directories: readonly string[]): string =>
  directories
    .toReversed()
    .map(directory => `rmdir ${quote(directory)} 2>/dev/null || :`)
    .join('\n');
