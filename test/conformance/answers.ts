// The answers of a conformance run, which the hooks of schemathesis record. They show which operations accepted a request
// that matches the document.
import { readFileSync } from 'node:fs';

export type Answer = {
  operation: string;
  status: number;
  /** Whether the request matches the OpenAPI document. */
  fits: boolean;
};

/** Reads the answers. Each line has the operation, the status, and whether the request matches. */
export function readAnswers(file: string): Answer[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => {
    const [operation = '', status, mode] = line.split(' ');
    return { operation, status: Number(status), fits: mode === 'positive' };
  });
}

/** Returns the operations whose matching requests never got a 2xx or a 3xx. The run has not tested these operations. */
export function neverAccepted(answers: readonly Answer[], operations: readonly string[]): string[] {
  const accepted = new Set(
    answers.filter(({ status, fits }) => fits && status < 400).map(({ operation }) => operation),
  );
  return operations.filter((operation) => !accepted.has(operation));
}
