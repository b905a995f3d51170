#!/usr/bin/env node
// A stand-in for a CLI that takes part in a coordination. Its last argument is its name. The requirements say in JSON, on
// a line that starts with "%%", what each one does: {"walnut-a": {"say": text, "repeat": n, "gate": file, "exit": code,
// "hang": true}, "judge": {…}}. "judge" is for whoever is asked to judge; with "echo" it answers with its prompt.
import { existsSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';

const prompt = await text(process.stdin);
const line = prompt.split('\n').find(text => text.startsWith('%%'));
const table = line === undefined ? {} : JSON.parse(line.slice(2));
const judges = /^You (compare answers|make one answer)/.test(prompt);
const name = judges ? 'judge' : process.argv.at(-1);
const script = table[name] ?? { say: `answer of ${process.argv.at(-1)}` };
const opened = file =>
  new Promise(resolve => {
    const look = () => {
      if (!existsSync(file)) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(dirname(file), look);
    look();
  });

if (script.gate !== undefined) await opened(script.gate);
if (script.hang === true) setInterval(() => undefined, 60_000);
else {
  if (script.stderr !== undefined) process.stderr.write(script.stderr);
  const say = script.echo === true ? prompt : (script.say ?? '');
  process.stdout.write(say.repeat(script.repeat ?? 1));
  process.exitCode = script.exit ?? 0;
}
