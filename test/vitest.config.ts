import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { SkipReporter } from './support/skip-reporter.ts';

/** Where a machine-readable report goes, for `.ci/run`. */
const report = process.env['CCLI_TEST_REPORT'];

export default defineConfig({
  root: join(import.meta.dirname, '..'),
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['dist/**', 'node_modules/**'],
    globalSetup: ['test/global-setup.ts'],
    // Tests start real servers and real CLIs: more at once only makes each slower.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    reporters: [
      'default',
      new SkipReporter(),
      ...(report === undefined ? [] : [['json', { outputFile: report }] satisfies [string, object]]),
    ],
    coverage: {
      provider: 'v8',
      include: ['protocol/**/*.ts', 'node-agent/**/*.ts', 'coordinator/**/*.ts'],
      reporter: [['text', { skipFull: true }], 'text-summary'],
      reportsDirectory: 'coverage',
      thresholds: { 'node-agent/**/*.ts': { lines: 90 } },
    },
  },
});
