#!/usr/bin/env node
/** A CLI with a print mode: prompt on stdin, answer on stdout. Behaves as the prompt says, and keeps its own log. */
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { logRun, takeRun } from '../run-log.ts';
import { readPrompt } from '../script.ts';
import { answerOf, sha256 } from './answer.ts';

const directory = process.env['FAULTS_DIRECTORY'] ?? '.';
const by = process.env['FAULTS_AGENT'] ?? 'unknown';

const script = readPrompt(await text(process.stdin));
if (script === undefined) {
  // A question that is none of the suite's.
  process.stdout.write('ready');
} else {
  const { run, kind } = takeRun(directory, script);
  const answer = Buffer.from(answerOf(randomBytes(6).toString('hex'), script.bytes));
  const log = { n: script.n, run, by, kind, bytes: answer.byteLength, at_ms: Date.now() };
  logRun(directory, { ...log, ...(kind === 'ok' && { sha256: sha256(answer) }) });
  switch (kind) {
    case 'ok':
      await print(answer, script.work_ms);
      break;
    case 'crash':
      await print(answer.subarray(0, answer.byteLength / 2), script.work_ms);
      process.stderr.write('boiler exploded\n');
      process.exitCode = 3;
      break;
    case 'hang':
      process.on('SIGTERM', () => undefined);
      process.stdout.write(answer.subarray(0, 1));
      setInterval(() => undefined, 60_000);
      break;
    case 'garbage':
      await print(Buffer.concat([answer, Buffer.of(0x61, 0xff, 0xfe, 0xc0)]), script.work_ms);
      break;
    default:
      // Exit 0 with nothing.
      await delay(script.work_ms);
  }
}

/** In pieces cut anywhere, spread over the time that the work takes. */
async function print(bytes: Buffer, work_ms: number): Promise<void> {
  const pieces = work_ms < 50 ? 1 : 5;
  const size = Math.ceil(bytes.byteLength / pieces);
  for (let piece = 0; piece < pieces; piece += 1) {
    await delay(work_ms / pieces);
    const part = bytes.subarray(piece * size, (piece + 1) * size);
    if (part.byteLength > 0) await new Promise(resolve => process.stdout.write(part, resolve));
  }
}
