// The result of a verification: the tests that ran, and whether the artifact counts as verified.

export type TestResult = {
  name: string;
  passed: boolean;
  duration_ms: number;
  /** The answer of the last attempt. If the service failed, also the output of the service. */
  output: string;
};

export type TestReport = {
  passed: boolean;
  tests: TestResult[];
  /**
   * Why the artifact does not count as verified although its tests passed. The phase of the pipeline is then SKIPPED, and
   * this text is in its log.
   */
  not_verified?: string;
};
