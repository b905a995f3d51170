/** A service of the system that runs as the user who logs in: nvm and the CLIs lie in that home. */
import { CcliError } from '../../../protocol/errors.ts';
import type { Bundle } from '../../bundle/bundle.ts';
import type { HostPaths, HostUser } from '../paths.ts';
import type { Service } from './service.ts';
import { bundledUnit, systemdService, unitArgument, unitPath } from './systemd.ts';

interface SystemOptions {
  readonly bundle: Bundle;
  readonly user: HostUser;
  readonly paths: HostPaths;
  readonly state_dir: string;
  /** Absolute; where else agents write. */
  readonly directories: readonly string[];
  readonly drain_timeout_ms: number | undefined;
  readonly has_gpu: boolean;
}

const DIRECTORY = '/etc/systemd/system';
const TEMPLATE = 'ccli-node-agent@.service';

/** @throws CcliError `start_failed` when the bundle was built without its units */
export function systemService(options: SystemOptions): Service {
  const { bundle, user, drain_timeout_ms, has_gpu } = options;
  const template = bundledUnit(bundle, TEMPLATE);
  if (template === undefined) throw withoutUnit(TEMPLATE);
  const unit = `ccli-node-agent@${user.user}.service`;
  const gpu = has_gpu ? bundledUnit(bundle, 'drop-ins/gpu.conf') : undefined;
  const drop_ins = `${DIRECTORY}/${unit}.d`;
  return systemdService({
    kind: 'system',
    unit,
    drain_timeout_ms,
    files: [
      { path: `${DIRECTORY}/${TEMPLATE}`, content: template },
      { path: `${drop_ins}/10-bootstrap.conf`, content: dropIn(options) },
      ...(gpu === undefined ? [] : [{ path: `${drop_ins}/20-gpu.conf`, content: gpu }]),
    ],
  });
}

export const withoutUnit = (name: string): CcliError =>
  new CcliError(
    'start_failed',
    `This ccli was built without ${name}; build it again with \`npm run build\`.`,
  );

/** Below the home: where CLIs keep their settings and what they have fetched. */
const OF_CLIS = [
  '.gemini',
  '.claude',
  '.codex',
  '.qwen',
  '.config/opencode',
  '.local/share/opencode',
  '.local/state/opencode',
  '.cache',
  '.npm',
];

/** What a template cannot know: where the home of its user is, and where its agents work. */
function dropIn({ paths, state_dir, directories }: SystemOptions): string {
  const { home, state } = paths;
  const line = (name: string, words: readonly string[]): string =>
    words.length === 0 ? '' : `${name}=${words.join(' ')}\n`;
  // What is not there is passed over.
  const optional = (places: readonly string[]): string[] =>
    [...new Set(places)].map(place => unitPath(`-${place}`));
  return `# Written by \`ccli bootstrap\`.
[Service]
WorkingDirectory=${wholeLine(home)}
ExecStart=
ExecStart=${unitPath(paths.command)} node-agent --config ${unitArgument(paths.config)}
${line(
  'ReadWritePaths',
  [...new Set([state, state_dir])].map(place => unitPath(place)),
)}${line('ReadWritePaths', optional(OF_CLIS.map(place => `${home}/${place}`)))}${line('ReadWritePaths', optional(directories))}`;
}

/** Of a path that systemd does not take in quotes. */
const wholeLine = (path: string): string => path.replaceAll('%', '%%');
