/**
 * Keeps skipping honest. A skipped test says why, in the words `needs <command>: ...`; the run prints them, and fails
 * when a skip has no reason or its command is there after all.
 */
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';
import { findOnPath } from '../../coordinator/embedded/executable.ts';

export class SkipReporter implements Reporter {
  private filtered = false;

  onInit(vitest: Vitest): void {
    // Whoever picks tests by name skips the others on purpose.
    this.filtered = vitest.config.testNamePattern !== undefined;
  }

  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    if (this.filtered) return;
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) await this.judge(test);
    }
  }

  private async judge(test: TestCase): Promise<void> {
    const result = test.result();
    const note = result.state === 'skipped' ? result.note : undefined;
    const command = /^needs ([\w.-]+):/.exec(note ?? '')?.[1];
    const fault =
      command === undefined
        ? 'a skip must say `needs <command>: why`'
        : (await findOnPath(command, process.env)) === undefined
          ? undefined
          : `${command} is there, so this test must run`;
    process.stderr.write(`skipped: ${test.fullName} (${note ?? 'no reason given'})\n`);
    if (fault === undefined) return;
    process.stderr.write(`  fault: ${fault}\n`);
    process.exitCode = 1;
  }
}
