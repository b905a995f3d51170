/** What goes wrong on the way to a new host: a clear error each time, and the host as it was. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { StepName } from '../../coordinator/bootstrap/step.ts';
import type { Bundle } from '../../coordinator/bundle/bundle.ts';
import { readBundle } from '../../coordinator/bundle/read.ts';
import { CcliError } from '../../protocol/errors.ts';
import { type BareHost, bareHost, daemonPid } from '../support/bare-host.ts';
import { refusals } from '../support/gemini-stub.ts';
import { listing } from '../support/listing.ts';
import { findSshd } from '../support/sshd.ts';

const needs_sshd = (await findSshd()) === undefined;
beforeEach(({ skip }) => {
  if (needs_sshd) skip('needs sshd: a host is bootstrapped over a real one');
});
const run = promisify(execFile);
const SLOW = { timeout: 180_000 };

/** Runs it, expects it to fail, and nothing of it to be left. */
async function failure(host: BareHost, work: () => Promise<unknown>): Promise<CcliError> {
  const bare = await listing(host.home);
  const error = await work().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CcliError);
  expect(await daemonPid(host.home)).toBeUndefined();
  expect(await listing(host.home)).toEqual(bare);
  if (!(error instanceof CcliError)) throw new Error('no error of ours');
  return error;
}

test('a host key that nobody knows is refused, with where to look', SLOW, async () => {
  const host = await bareHost();
  await writeFile(host.sshd.known_hosts_file, '');
  const error = await failure(host, () => host.run());
  expect(error.code).toBe('ssh_host_key_unknown');
  expect(error.message).toContain('Step "connect" on walnut');
});

test('a host that shows another key is refused', SLOW, async () => {
  const host = await bareHost();
  await host.sshd.restart({ new_key: true });
  const error = await failure(host, () => host.run());
  expect(error.code).toBe('ssh_host_key_changed');
});

test('a Node version that is not there is told with those that are', SLOW, async () => {
  const host = await bareHost();
  const error = await failure(host, () => host.run({ wishes: { node_version: 'v22.17.0' } }));
  expect(error.code).toBe('node_version_missing');
  expect(error.message).toContain('v22.14.0');
});

test('a host without gemini is told how to get it', SLOW, async () => {
  const host = await bareHost({ gemini: [] });
  const error = await failure(host, () => host.run());
  expect(error.code).toBe('cli_missing');
  expect(error.message).toContain('npm install -g @google/gemini-cli');
});

test('a NATS that the host does not reach is told before anything is done', SLOW, async () => {
  const host = await bareHost();
  const error = await failure(host, () => host.run({ wishes: { nats_url: 'nats://127.0.0.1:1' } }));
  expect(error.code).toBe('nats_unreachable');
  expect(error.message).toContain('Step "check"');
  expect(error.message).toContain('Nothing was changed');
});

test('an address that means another machine there is refused', SLOW, async () => {
  const host = await bareHost();
  const error = await failure(host, () => host.run({ own_boot_id: 'that of another machine' }));
  expect(error.code).toBe('config_invalid');
  expect(error.message).toContain('--nats-url');
});

test('an agent that never advertises is taken away again, with its last words told', SLOW, async () => {
  const host = await bareHost();
  const error = await failure(host, () =>
    host.run({
      wishes: {
        patience_ms: 6_000,
        config: `prefix: elsewhere\nagents:\n  - {id: walnut-gemini, agent_type: cli_gemini, env_files: {GEMINI_API_KEY: credential:gemini-api-key}}\n`,
      },
    }),
  );
  expect(error.code).toBe('bootstrap_failed');
  expect(error.message).toContain('Step "advert" on walnut');
  expect(error.message).toContain('What was done is taken back');
  expect(String(error.cause)).toContain('connected');
});

test('a key that the model refuses fails the canary, and nothing stays', SLOW, async () => {
  const host = await bareHost();
  host.stub.answer(() => refusals.keyInvalid);
  const error = await failure(host, () => host.run());
  expect(error.message).toContain('Step "canary" on walnut');
  expect(error.code).toBe('auth_refused');
});

test('interrupted, it takes back what it has done', SLOW, async () => {
  const host = await bareHost();
  const interrupt = new AbortController();
  const error = await failure(host, () =>
    host.run({
      signal: interrupt.signal,
      watcher: {
        began: step => {
          if (step === 'advert') interrupt.abort(new CcliError('cancelled', 'Interrupted.'));
        },
      },
    }),
  );
  expect(error.code).toBe('cancelled');
});

test('two at once: the second is refused, the first goes on', SLOW, async () => {
  const host = await bareHost();
  const second: unknown[] = [];
  const first = await host.run({
    wishes: { dry_run: true },
    watcher: {
      began: step => {
        if (step === 'check') second.push(host.run().catch((error: unknown) => error));
      },
      ended: () => undefined,
    },
    fleet: {
      operations: {
        // Holds the first one until the second is through.
        nodes: async () => {
          await Promise.all(second);
          return { nodes: [] };
        },
        agents: () => Promise.reject(new Error('not asked')),
        test: () => Promise.reject(new Error('not asked')),
      },
      nats_url: host.nats.url,
      prefix: 'ccli',
      caller: 'test',
    },
  });
  expect(first.steps.map(({ step }) => step)).toContain('canary');
  const [error] = await Promise.all(second);
  expect(error).toBeInstanceOf(CcliError);
  expect(String(error)).toContain('Another bootstrap works on walnut');
});

const STEPS: readonly StepName[] = [
  'check',
  'upload',
  'configure',
  'try',
  'switch',
  'service',
  'start',
  'advert',
  'canary',
];

test.each(STEPS)('the connection breaks at step %s: it comes back and clears up', SLOW, async step => {
  const host = await bareHost();
  const broken: Promise<void>[] = [];
  const error = await failure(host, async () => {
    try {
      return await host.run({
        watcher: {
          began: name => {
            if (name === step && broken.length === 0)
              broken.push(host.sshd.kill().then(() => host.sshd.restart()));
          },
        },
      });
    } finally {
      await Promise.all(broken);
    }
  });
  expect(error.code).toMatch(/^ssh_(connection_lost|unreachable)$/);
  expect(error.message).toMatch(/Step "\w+" on walnut/);
  // The upload may not have come to its first file yet.
  const early = step === 'check' || (step === 'upload' && error.message.includes('Step "upload"'));
  const told = early ? /Nothing was changed|walnut is as it was/ : /walnut is as it was/;
  expect(error.message).toMatch(told);
});

test('the connection breaks in the middle of the upload', SLOW, async () => {
  const host = await bareHost();
  const broken: Promise<void>[] = [];
  const error = await failure(host, async () => {
    try {
      return await host.run({
        bundle: largeBundle(await readBundle()),
        watcher: {
          progress: text => {
            if (/uploading .* [1-9]\d? %/.test(text) && broken.length === 0)
              broken.push(host.sshd.kill().then(() => host.sshd.restart()));
          },
        },
      });
    } finally {
      await Promise.all(broken);
    }
  });
  expect(broken).toHaveLength(1);
  expect(error.message).toContain('Step "upload" on walnut');
});

/** One that is on its way for long enough. */
function largeBundle(bundle: Bundle): Bundle {
  const bytes = new Uint8Array(randomBytes(48 * 1024 * 1024));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const file = { path: 'lib/large', mode: 0o644, size_bytes: bytes.byteLength, sha256, bytes };
  return { ...bundle, files: [...bundle.files, file], size_bytes: bundle.size_bytes + bytes.byteLength };
}

const NO_MOUNT = 'needs permission-to-mount: a disk of its own is mounted for it';
const may_mount = process.getuid?.() === 0 && (await mayMount());

test('a disk that is full ends the upload', SLOW, async ({ skip }) => {
  if (!may_mount) skip(NO_MOUNT);
  const host = await bareHost();
  const local = join(host.home, '.local');
  await mountTmpfs(local, 'size=210m');
  let full: number | undefined;
  onTestFinished(() => {
    if (full !== undefined) closeSync(full);
  });
  const error = await failure(host, () =>
    host.run({
      watcher: {
        began: step => {
          // The check has seen room; now there is none.
          if (step === 'upload') full = fillUp(local);
        },
      },
    }),
  );
  expect(error.code).toBe('disk_full');
});

/** A file without a name, there for as long as it is open: no listing shows it. */
function fillUp(directory: string): number {
  const name = join(directory, 'full');
  const file = openSync(name, 'w');
  unlinkSync(name);
  const block = Buffer.alloc(1024 * 1024);
  for (;;) {
    try {
      writeSync(file, block);
    } catch {
      return file;
    }
  }
}

test('a home that cannot be written to is told', SLOW, async ({ skip }) => {
  if (!may_mount) skip(NO_MOUNT);
  const host = await bareHost();
  await mountTmpfs(join(host.home, '.local'), 'ro');
  const error = await failure(host, () => host.run());
  expect(error.code).toBe('permission_denied');
});

async function mayMount(): Promise<boolean> {
  const directory = join('/tmp', `ccli-mount-probe-${process.pid}`);
  await mkdir(directory);
  try {
    await run('mount', ['-t', 'tmpfs', 'none', directory]);
    await run('umount', [directory]);
    return true;
  } catch {
    return false;
  } finally {
    await run('rmdir', [directory]);
  }
}

async function mountTmpfs(path: string, options: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', options, 'none', path]);
  onTestFinished(async () => {
    await run('umount', ['-l', path]);
  });
}
