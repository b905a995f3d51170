#!/usr/bin/env node
// The real gemini, in a version whose warm mode is broken.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

if (process.argv.includes('--acp')) {
  process.stderr.write('the warm mode is broken\n');
  process.exit(1);
}
const found = dirname(createRequire(import.meta.url).resolve('@google/gemini-cli/package.json'));
await import(pathToFileURL(join(found, 'bundle/gemini.js')).href);
