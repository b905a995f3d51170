#!/usr/bin/env node
// A stand-in for a CLI that never stops printing. FLOOD (JSON in the environment) says what: {"text": text} again and
// again, {"stderr": true} there, {"deaf": true} without reading its stdin.
import { writeSync } from 'node:fs';

const { text = 'y\n', stderr = false, deaf = false } = JSON.parse(process.env.FLOOD ?? '{}');
const block = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)));
if (!deaf) process.stdin.resume();
for (;;) {
  try {
    writeSync(stderr ? 2 : 1, block);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
  }
}
