#!/usr/bin/env node
// A stand-in for any CLI with a print mode. Its first argument says how it behaves; the prompt comes on stdin.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const [behaviour = 'echo', ...rest] = process.argv.slice(2);

async function readPrompt() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  return Buffer.concat(parts);
}

const behaviours = {
  /** The prompt back, byte for byte. */
  async echo() {
    process.stdout.write(await readPrompt());
  },
  /** The prompt back a byte at a time, so that every character is cut. */
  async trickle() {
    for (const byte of await readPrompt()) {
      await new Promise(resolve => process.stdout.write(Buffer.of(byte), resolve));
      await new Promise(resolve => setImmediate(resolve));
    }
  },
  /** Complains before it answers. */
  async grumble() {
    const prompt = await readPrompt();
    await new Promise(resolve => process.stderr.write('if I must\n', resolve));
    process.stdout.write(prompt);
  },
  /** What it was started with, as JSON. */
  async reveal() {
    await readPrompt();
    process.stdout.write(
      JSON.stringify({ args: rest, env: process.env, cwd: process.cwd(), exec: process.execPath }),
    );
  },
  /** Answers without reading its stdin. */
  deaf() {
    process.stdin.destroy();
    process.stdout.write('I did not listen');
  },
  crash() {
    process.stdout.write('half an ans');
    process.stderr.write('boiler exploded\n');
    process.exitCode = 3;
  },
  async silence() {
    await readPrompt();
    process.stdout.write(' \n');
  },
  garble() {
    process.stdout.write(Buffer.from([0x61, 0xff, 0xfe]));
    setInterval(() => undefined, 1_000);
  },
  /** Cuts its last character in half and leaves. */
  stump() {
    process.stdout.write(Buffer.from('tail \u{1F680}').subarray(0, -1));
  },
  /** Never ends, ignores SIGTERM, and has a child that does the same. Writes both ids to the file named. */
  hang() {
    const code = "process.on('SIGTERM', () => {}); process.send('up'); setInterval(() => {}, 1000)";
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    process.on('SIGTERM', () => undefined);
    child.once('message', () => {
      writeFileSync(rest[0], `${process.pid} ${child.pid}\n`);
      process.stdout.write('up');
    });
    setInterval(() => undefined, 1_000);
  },
  /** Leaves a child in its group behind that holds stdout open. */
  litter() {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      stdio: ['ignore', 'inherit', 'ignore'],
    });
    writeFileSync(rest[0], `${child.pid}\n`);
    process.stdout.write('left a child', () => process.exit(0));
  },
  /** Leaves a child outside its group that holds stdout open until it is told to go. */
  escape() {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      stdio: ['ignore', 'inherit', 'ignore'],
      detached: true,
    });
    writeFileSync(rest[0], `${child.pid}\n`);
    process.stdout.write('a child got away', () => process.exit(0));
  },
};

await behaviours[behaviour]();
