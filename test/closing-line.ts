// Ends a run with one line of counts. The line has the same form for every suite of this project.
import type { Reporter, TestModule } from 'vitest/node';

/** Returns a line such as `tests: 12 passed, 0 failed, 1 skipped`. A program can read it without knowing the test runner. */
export function closingLine(suite: string, counts: { passed: number; failed: number; skipped: number }): string {
  return `${suite}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      // A test file that could not be read counts as one failure. It has errors itself, but no test that could fail.
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'pending' ? 'skipped' : state] += 1;
      }
    }
    // Begins a new line, because programs that read the log expect the counts alone on a line.
    console.log(`\n${closingLine('tests', counts)}`);
  }
}
