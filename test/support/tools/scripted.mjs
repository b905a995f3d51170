#!/usr/bin/env node
// A stand-in for a CLI with a print mode, driven by what the prompt says. Reads the prompt from stdin; a prompt that
// starts with "#" is a script in JSON: {"say": text, "repeat": n, "gate": file, "exit": code, "hang": true,
// "ignore_term": true, "stderr": text, "log": file}. Anything else is answered with "echo: <prompt>".
// "gate" waits until the file exists; "log" appends "start <pid>" and "end <pid>" lines, for tests that prove overlap;
// SCRIPTED_LOG does so for every prompt.
import { appendFileSync, existsSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';

const prompt = await text(process.stdin);
const script = prompt.startsWith('#') ? JSON.parse(prompt.slice(1)) : { say: `echo: ${prompt}` };
const file = script.log ?? (prompt === '' ? undefined : process.env.SCRIPTED_LOG);
const log = line => {
  if (file !== undefined) appendFileSync(file, `${line} ${process.pid}\n`);
};
const write = data => new Promise(resolve => process.stdout.write(data, resolve));
const opened = file =>
  new Promise(resolve => {
    if (existsSync(file)) return resolve();
    const watcher = watch(dirname(file), () => {
      if (!existsSync(file)) return;
      watcher.close();
      resolve();
    });
    if (existsSync(file)) {
      watcher.close();
      resolve();
    }
  });

if (script.ignore_term === true) process.on('SIGTERM', () => undefined);
log('start');
if (script.before !== undefined) await write(script.before);
if (script.gate !== undefined) await opened(script.gate);
if (script.hang === true) setInterval(() => undefined, 60_000);
else {
  for (let round = 0; round < (script.repeat ?? 1); round += 1) await write(script.say ?? '');
  if (script.stderr !== undefined) process.stderr.write(script.stderr);
  log('end');
  process.exitCode = script.exit ?? 0;
}
