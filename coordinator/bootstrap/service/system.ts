/** A service of the system that runs as the user who logs in: nvm and the CLIs lie in that home. */
import { CcliError } from '../../../protocol/errors.ts';
import type { Bundle } from '../../bundle/bundle.ts';
import type { HostPaths, HostUser } from '../paths.ts';
import type { Service } from './service.ts';
import { bundledUnit, systemdService, unitWord } from './systemd.ts';

interface SystemOptions {
  readonly bundle: Bundle;
  readonly user: HostUser;
  readonly paths: HostPaths;
  readonly state_dir: string;
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

/** What a template cannot know: where the home of its user is. */
function dropIn({ paths, state_dir }: SystemOptions): string {
  const { home, state } = paths;
  const writable = [...new Set([state, state_dir])].map(unitWord);
  const of_clis = ['.gemini', '.claude', '.codex', '.qwen', '.config/opencode', '.cache', '.npm'].map(
    directory => unitWord(`-${home}/${directory}`),
  );
  return `# Written by \`ccli bootstrap\`.
[Service]
WorkingDirectory=${unitPath(home)}
ExecStart=
ExecStart=${unitWord(paths.command)} node-agent --config ${unitWord(paths.config)}
ReadWritePaths=${writable.join(' ')}
ReadWritePaths=${of_clis.join(' ')}
`;
}

/** A whole line's path, which systemd does not take in quotes. */
const unitPath = (path: string): string => path.replaceAll('%', '%%');
