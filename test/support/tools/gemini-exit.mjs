#!/usr/bin/env node
// Ends with the exit code in EXIT, or never says a word.
if (process.env.EXIT !== undefined) process.exit(Number(process.env.EXIT));
process.stdin.resume();
