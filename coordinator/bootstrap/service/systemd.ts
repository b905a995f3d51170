/** What a system unit and a user unit have in common: files, `systemctl`, the journal. */
import type { Bundle } from '../../bundle/bundle.ts';
import { sha256 } from '../config-plan.ts';
import { makeDirectories, placeFile } from '../place.ts';
import { lastLines, quote, type Shell } from '../shell.ts';
import { DRAIN_MS, LAST_LINES, type Service, type ServiceSite, STOP_SLACK_MS } from './service.ts';

export interface UnitFile {
  /** Absolute. */
  readonly path: string;
  readonly content: string;
}

interface SystemdOptions {
  readonly kind: 'system' | 'user';
  readonly unit: string;
  readonly files: readonly UnitFile[];
  readonly drain_timeout_ms: number | undefined;
  /** Before anything else is done: what its manager needs to be there. */
  readonly prepare?: (site: ServiceSite) => Promise<void>;
  /** What is missing of that. */
  readonly unprepared?: (shell: Shell) => Promise<readonly string[]>;
  /** After all is gone. */
  readonly afterwards?: (shell: Shell, options: { readonly enabled_linger: boolean }) => Promise<void>;
}

/** A session over SSH often has no word about where the user's manager listens. */
const USER_BUS = 'XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR\n';

export const userCommand = (script: string): string => `${USER_BUS}${script}`;

export function systemdService(options: SystemdOptions): Service {
  const { kind, unit, files, drain_timeout_ms = DRAIN_MS } = options;
  const as_root = kind === 'system';
  const systemctl = as_root ? 'systemctl' : 'systemctl --user';
  const script = (text: string): string => (as_root ? text : userCommand(text));
  const run = (shell: Shell, text: string, timeout_ms = 30_000): Promise<string> =>
    shell.run(script(text), { as_root, timeout_ms });
  const name = quote(unit);

  const wrongFiles = async (shell: Shell): Promise<UnitFile[]> => {
    const hashes = await shell.run(
      files
        .map(({ path }) => `if [ -r ${quote(path)} ]; then sha256sum <${quote(path)}; else echo none; fi`)
        .join('\n'),
    );
    const found = hashes.split('\n').map(line => line.split(' ')[0]);
    return files.filter(({ content }, index) => found[index] !== sha256(content));
  };
  const enabled = async (shell: Shell): Promise<boolean> =>
    (await shell.ask(script(`${systemctl} is-enabled --quiet ${name}`))).code === 0;

  return {
    kind,
    unit,
    async wrong(shell) {
      const missing = (await options.unprepared?.(shell)) ?? [];
      if (missing.length > 0) return missing;
      return [
        ...(await wrongFiles(shell)).map(({ path }) => `write ${path}`),
        ...((await enabled(shell)) ? [] : [`enable ${unit}`]),
      ];
    },
    async install(site) {
      const { shell, changes, record } = site;
      await options.prepare?.(site);
      const reload = `${systemctl} daemon-reload`;
      // Noted first, so that it comes after the files are as they were.
      changes.note('the units that systemd has loaded', async again => {
        await again.run(script(reload), { as_root });
      });
      const placed: Record<string, string> = {};
      const directories: string[] = [];
      for (const file of await wrongFiles(shell)) {
        const directory = file.path.slice(0, file.path.lastIndexOf('/'));
        directories.push(...(await makeDirectories(site, { path: directory, mode: 0o755, as_root })));
        await placeFile(site, { ...file, mode: 0o644, as_root });
        placed[file.path] = sha256(file.content);
      }
      const { now } = record;
      await record.update(
        as_root
          ? {
              root_directories: [...now.root_directories, ...directories],
              root_files: { ...now.root_files, ...placed },
            }
          : { directories: [...now.directories, ...directories], files: { ...now.files, ...placed } },
      );
      await run(shell, reload);
      if (await enabled(shell)) return;
      changes.note(`${unit} being enabled`, async again => {
        await again.ask(script(`${systemctl} disable ${name}`), { as_root });
      });
      await run(shell, `${systemctl} enable ${name}`);
    },
    async running(shell) {
      const { stdout } = await shell.ask(script(`${systemctl} show -p ActiveState --value ${name}`));
      return ['active', 'activating', 'reloading'].includes(stdout.trim());
    },
    async start(shell) {
      await run(
        shell,
        `${systemctl} reset-failed ${name} 2>/dev/null || :\n${systemctl} start ${name}`,
        120_000,
      );
    },
    async stop(shell) {
      await run(
        shell,
        `${systemctl} stop ${name}\n${systemctl} reset-failed ${name} 2>/dev/null || :`,
        drain_timeout_ms + 2 * STOP_SLACK_MS,
      );
    },
    // Systemd keeps that by itself.
    forget: () => Promise.resolve(),
    async lastWords(shell) {
      const journal = `journalctl ${as_root ? '' : '--user '}-u ${name} -n ${LAST_LINES} --no-pager -o cat`;
      const { stdout } = await shell.ask(script(journal), { as_root });
      return lastLines(stdout, LAST_LINES);
    },
    async remove(shell, record) {
      await shell.ask(script(`${systemctl} disable ${name}`), { as_root });
      // Those that were placed, whichever version did: this one may have others.
      const own = Object.keys(as_root ? record.root_files : record.files);
      const paths = own.filter(path => path.includes('/systemd/'));
      await run(
        shell,
        `rm -f ${[...paths, '/nonexistent'].map(quote).join(' ')}\n${systemctl} daemon-reload`,
      );
      await options.afterwards?.(shell, record);
    },
  };
}

/** A unit that came with the bundle. */
export function bundledUnit(bundle: Bundle, path: string): string | undefined {
  const file = bundle.files.find(one => one.path === `systemd/${path}`);
  return file === undefined ? undefined : new TextDecoder().decode(file.bytes);
}

/** A path as a word of a unit file, in which `%` stands for something else; also the program of a command line. */
export const unitPath = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;

/** An argument of a command line, in which `$` does as well. */
export const unitArgument = (text: string): string => unitPath(text).replaceAll('$', '$$$$');
