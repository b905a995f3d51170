/**
 * The node-agent as it goes to a host: dist/bundle, which needs nothing but a Node. Made from what the compiler wrote to
 * dist/, and put in place at once, so that nobody reads half of one.
 */
import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { defineConfig } from 'rolldown';

const root = import.meta.dirname;
const place = join(root, 'dist', 'bundle');
const work = join(root, 'dist', `.bundle-${process.pid}`);

const input = join(root, 'dist', 'node-agent', 'program.js');
if (!existsSync(input)) throw new Error('dist/node-agent is missing: run `npm run build`');

const layout = {
  name: 'layout',
  async generateBundle() {
    const emit = (fileName, source) => this.emitFile({ type: 'asset', fileName, source });
    const { name, version, license, type, engines } = JSON.parse(
      await readFile(join(root, 'package.json'), 'utf8'),
    );
    emit('package.json', `${JSON.stringify({ name, version, license, type, engines }, null, 2)}\n`);
    emit('LICENSE', await readFile(join(root, 'LICENSE')));
    emit('bin/ccli', await readFile(join(root, 'coordinator', 'bundle', 'launcher.sh')));
    for (const unit of await units()) {
      emit(`systemd/${unit}`, await readFile(join(root, 'deploy', 'systemd', unit)));
    }
  },
  async writeBundle() {
    await chmod(join(work, 'bin', 'ccli'), 0o755);
    try {
      // Whoever reads it now is not disturbed without need.
      if ((await contents(work)) !== (await contents(place).catch(() => ''))) await putInPlace();
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  },
};

async function contents(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  const texts = await Promise.all(
    files.sort().map(async file => `${file.slice(directory.length)}\n${await readFile(file, 'base64')}`),
  );
  return texts.join('\n');
}

/** Another build may be doing the same. */
async function putInPlace() {
  const old = `${work}-old`;
  for (let tries = 0; ; tries += 1) {
    try {
      if (existsSync(place)) await rename(place, old);
      await rename(work, place);
      break;
    } catch (error) {
      if (tries === 5) throw error;
    } finally {
      await rm(old, { recursive: true, force: true });
    }
  }
}

/** Those of a node-agent, and what may be put over them. */
async function units() {
  const files = await readdir(join(root, 'deploy', 'systemd'), { recursive: true }).catch(() => []);
  return files
    .filter(file => /^((user\/)?ccli-node-agent@?\.service|drop-ins\/[\w.-]+\.conf)$/.test(file))
    .sort();
}

export default defineConfig({
  input,
  platform: 'node',
  plugins: [layout],
  output: {
    dir: work,
    format: 'esm',
    // The version is looked for two folders up, as it is in the source tree.
    entryFileNames: 'lib/node-agent/program.mjs',
    codeSplitting: false,
  },
});
