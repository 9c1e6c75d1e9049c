// Closes a run with one plain line of counts, in the form in which every suite of this project closes.
import type { Reporter, TestModule } from 'vitest/node';

/** `tests: 12 passed, 0 failed, 1 skipped`: readable to whatever reads a log without knowing the runner. */
export function closingLine(suite: string, counts: { passed: number; failed: number; skipped: number }): string {
  return `${suite}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      // A file that could not be read has errors of its own and no test that could tell.
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'pending' ? 'skipped' : state] += 1;
      }
    }
    // Each where a line begins: what reads it takes it alone on its line.
    console.log(`\n${closingLine('tests', counts)}`);
  }
}
