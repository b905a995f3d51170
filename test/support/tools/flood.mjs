#!/usr/bin/env node
// A stand-in for a CLI that never stops printing. FLOOD (JSON in the environment) says what: {"text": text} again and
// again, {"stderr": true} there, {"deaf": true} without reading its stdin, {"pause_ms": ms} after each 64 KiB.
import { writeSync } from 'node:fs';

const { text = 'y\n', stderr = false, deaf = false, pause_ms = 0 } = JSON.parse(process.env.FLOOD ?? '{}');
const clock = new Int32Array(new SharedArrayBuffer(4));
const block = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)));
if (!deaf) process.stdin.resume();
for (;;) {
  try {
    writeSync(stderr ? 2 : 1, block);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
  }
  if (pause_ms > 0) Atomics.wait(clock, 0, 0, pause_ms);
}
