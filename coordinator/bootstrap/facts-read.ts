/** Facts from what the preflight script said. Pure. */
import type { Answers } from './answers.ts';
import type { GeminiFound, HostFacts, NodeFound, UnitFound, Wanted } from './facts.ts';
import { freeBytes } from './facts-disk.ts';
import { chooseNode, nodeFound, sortNodes } from './facts-node.ts';
import { isPartial } from './version-name.ts';

type Read = Omit<HostFacts, 'clock' | 'nats'>;

/** By the names that Node has for them. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'x64',
  amd64: 'x64',
  aarch64: 'arm64',
  armv7l: 'arm',
  i686: 'ia32',
};

export function readFacts(answers: Answers, wanted: Wanted): Read {
  const { one, all, is } = answers;
  const home = one('home') ?? '';
  const machine = one('machine') ?? 'unknown';
  const libc = one('libc');
  const version = one('systemd_version');
  const linger = one('linger');
  const nodes = sortNodes(all('node').flatMap(line => nodeFound(line) ?? []));
  const aliases = pairs(all('alias'));
  const node = chooseNode(nodes, aliases, wanted.node_version);
  const not_writable = [...new Set(all('not_writable'))];
  return {
    home,
    user: one('user') ?? '',
    uid: Number(one('uid')),
    shell: one('shell'),
    os: { id: one('os_id') ?? 'unknown', version: one('os_version') },
    system: one('system') ?? 'unknown',
    kernel: one('kernel') ?? 'unknown',
    arch: ARCHITECTURES[machine] ?? machine,
    libc: libc === 'glibc' || libc === 'musl' ? libc : 'unknown',
    systemd: {
      version: version === undefined ? undefined : Number(version),
      system: is('systemd_system'),
      user: is('systemd_user'),
      linger: linger === undefined ? undefined : linger === 'yes',
    },
    may_be_root: is('may_be_root'),
    free_bytes: freeBytes(one('disk')),
    writable: not_writable.length === 0,
    not_writable,
    nvm_dir: one('nvm_dir'),
    nodes,
    aliases,
    node,
    gemini: chooseGemini(all('gemini'), node),
    sign_in: { auth_type: one('auth_type'), login_files: all('login_file'), keys: all('key') },
    installed: {
      base: `${home}/.local/share/ccli`,
      current: one('current')?.replace(/^.*\//, ''),
      versions: all('version').filter(name => !isPartial(name)),
      partial: all('version').filter(isPartial),
      command: one('command'),
      node: one('node_chosen'),
      config_sha256: one('config_sha256'),
      credentials: pairs(all('credential')),
      units: all('unit').map(readUnit),
    },
  };
}

const pairs = (lines: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    lines.map(line => {
      const [name = '', value = ''] = line.split('\t');
      return [name, value];
    }),
  );

function chooseGemini(lines: readonly string[], node: NodeFound | undefined): GeminiFound | undefined {
  const found = lines.map((line): GeminiFound => {
    const [from, path = '', version] = line.split('\t');
    return { path, version, from: from === 'nvm' ? 'nvm' : 'path' };
  });
  const beside = node?.path.replace(/node$/, 'gemini');
  return found.find(({ path }) => path === beside) ?? found.find(({ from }) => from === 'path');
}

function readUnit(line: string): UnitFound {
  const [scope, name = '', path = '', enabled = '', active = '', sha256 = ''] = line.split('\t');
  return {
    scope: scope === 'system' ? 'system' : 'user',
    name,
    path,
    enabled: enabled === '' ? 'unknown' : enabled,
    active: active === '' ? 'unknown' : active,
    sha256: sha256 === '' ? undefined : sha256,
  };
}
