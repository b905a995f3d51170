/** The node-agent's file, its credentials, the Node it runs under, and the directory for its state. */
import { CONFIG_MODE, sha256 } from '../config-plan.ts';
import type { FileToPlace } from '../place.ts';
import { makeDirectories, placeFile } from '../place.ts';
import { quote } from '../shell.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';

const SECRET_MODE = 0o600;

export function configureStep(work: Work): Step {
  const { shell, paths, plan, wishes, facts, record, state_dir, progress } = work;

  const wantedNode = (): string | undefined => {
    const { installed, nodes, node } = facts;
    const still_runs = nodes.some(({ path, runs }) => path === installed.node?.trim() && runs);
    if (still_runs && wishes.node_version === undefined) return undefined;
    return node === undefined || node.path === installed.node?.trim() ? undefined : node.path;
  };

  const files = (): (FileToPlace & { readonly says: string })[] => {
    const node = wantedNode();
    return [
      ...wishes.credentials
        .filter(({ name, content }) => facts.installed.credentials[name] !== sha256(content))
        .map(({ name, content }) => ({
          path: `${paths.credentials}/${name}`,
          content,
          mode: SECRET_MODE,
          says: `write credential ${name}`,
        })),
      ...(node === undefined
        ? []
        : [{ path: paths.node, content: `${node}\n`, mode: 0o644, says: `run under ${node}` }]),
      ...(plan.write ? [{ path: paths.config, content: plan.text, mode: CONFIG_MODE, says: plan.says }] : []),
    ];
  };

  const missingState = async (): Promise<boolean> =>
    (await shell.ask(`[ -d ${quote(state_dir)} ] && [ -d ${quote(paths.state)} ]`)).code !== 0;

  return {
    name: 'configure',
    async look() {
      const todo = files().map(({ says }) => says);
      if (await missingState()) todo.push(`make ${state_dir}`);
      return todo.length === 0 ? { right: plan.says } : { would: todo.join(', ') };
    },
    async act() {
      const done: string[] = [];
      const made: string[] = [];
      const make = async (path: string, mode: number): Promise<void> => {
        made.push(...(await makeDirectories(work, { path, mode })));
      };
      const todo = files();
      if (todo.length > 0) await make(paths.config_directory, 0o700);
      if (todo.some(({ path }) => path.startsWith(`${paths.credentials}/`)))
        await make(paths.credentials, 0o700);
      await make(paths.state, 0o700);
      await makeState(work, make);
      await record.update({ directories: [...record.now.directories, ...made], state_dir });
      if (plan.backup) done.push(await backUp(work));
      for (const { says, ...file } of todo) {
        await placeFile(work, file);
        await record.update({ files: { ...record.now.files, [file.path]: sha256(file.content) } });
        done.push(says);
      }
      if (todo.length > 0) progress.restart.push('its settings changed');
      return done.length === 0 ? `made ${state_dir}` : done.join(', ');
    },
  };
}

/** Taken back with what the daemon has written into it meanwhile, unless that is results nobody has yet. */
async function makeState(
  { shell, changes, state_dir }: Work,
  make: (path: string, mode: number) => Promise<void>,
): Promise<void> {
  const dir = quote(state_dir);
  const is_new = (await shell.ask(`[ -e ${dir} ]`)).code !== 0;
  await make(state_dir, 0o700);
  if (!is_new) return;
  changes.note(state_dir, async again => {
    await again.run(
      `if [ -n "$(ls -A ${dir}/journal/outbox 2>/dev/null)" ]; then echo "there are results that the fleet has not got yet" >&2; exit 1; fi
if [ -d ${dir} ]; then find ${dir} -mindepth 1 -delete; fi`,
    );
  });
}

async function backUp({ shell, changes, paths, record }: Work): Promise<string> {
  const stamp = (await shell.run('date -u +%Y%m%dT%H%M%SZ')).trim();
  const backup = `${paths.config}.${stamp}`;
  changes.note(backup, async again => {
    await again.run(`rm -f ${quote(backup)}`);
  });
  await shell.run(`cp -p ${quote(paths.config)} ${quote(backup)}`);
  await record.update({ files: { ...record.now.files, [backup]: 'backup' } });
  return `keep the old one as ${backup}`;
}
