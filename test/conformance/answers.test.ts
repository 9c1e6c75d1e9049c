// The answers of a conformance run. Finds operations that accepted no request that matches the document.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { neverAccepted, readAnswers } from './answers.ts';

test('returns the operations that accepted no fitting request, whatever other answers they gave', () => {
  const folder = mkdtempSync(join(tmpdir(), 'larder-answers-'));
  try {
    const file = join(folder, 'answers.txt');
    // `signIn` accepted only a request that does not match the document. Such a request does not count.
    writeFileSync(file, 'getUser 404 positive\ngetUser 200 positive\nsignIn 401 positive\nsignIn 200 negative\n');
    expect(neverAccepted(readAnswers(file), ['getUser', 'signIn', 'listUsers'])).toEqual(['signIn', 'listUsers']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
