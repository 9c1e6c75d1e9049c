// The answers of a conformance run, as the hooks of schemathesis record them: which operations accepted a request that fits the document.
import { readFileSync } from 'node:fs';

export type Answer = {
  operation: string;
  status: number;
  /** True when the request fits the OpenAPI document. */
  fits: boolean;
};

/** Reads one answer a line: the operation, the status, and whether the request fits. */
export function readAnswers(file: string): Answer[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => {
    const [operation = '', status, mode] = line.split(' ');
    return { operation, status: Number(status), fits: mode === 'positive' };
  });
}

/** Returns the operations of which no fitting request got a 2xx or a 3xx: the run did not test them. */
export function neverAccepted(answers: readonly Answer[], operations: readonly string[]): string[] {
  const accepted = new Set(
    answers.filter(({ status, fits }) => fits && status < 400).map(({ operation }) => operation),
  );
  return operations.filter((operation) => !accepted.has(operation));
}
