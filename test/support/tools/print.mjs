#!/usr/bin/env node
// A stand-in for a CLI that prints what it is told to: the prompt is a script in JSON, read from the file after
// "--file" or from stdin: {"out": text, "err": text, "exit": code}. "$PROMPT" in "out" becomes the whole prompt, and
// "$SEEN" what this process was started with.
import { readFileSync, statSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const at = process.argv.indexOf('--file');
const file = at > 0 ? process.argv[at + 1] : undefined;
const stdin = await text(process.stdin);
const prompt = file === undefined ? stdin : readFileSync(file, 'utf8');
const script = JSON.parse(prompt);
const seen = {
  cmdline: readFileSync('/proc/self/cmdline', 'utf8').split('\0'),
  environ: readFileSync('/proc/self/environ', 'utf8'),
  stdin,
  cwd: process.cwd(),
  ...(file !== undefined && { file, mode: (statSync(file).mode & 0o777).toString(8) }),
};
const out = (script.out ?? '').replace('$SEEN', () => JSON.stringify(seen)).replace('$PROMPT', () => prompt);
process.stderr.write(script.err ?? '');
process.exitCode = script.exit ?? 0;
process.stdout.write(out);
