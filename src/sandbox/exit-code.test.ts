// Exit codes in words.
import { expect, test } from 'vitest';
import { exitCodeInWords } from './exit-code.ts';

test.each([
  [0, 'code 0'],
  [1, 'code 1'],
  [128, 'code 128'],
  [137, 'code 137 (SIGKILL)'],
  [139, 'code 139 (SIGSEGV)'],
  [255, 'code 255'],
])('exit code %i is %s', (code, words) => {
  expect(exitCodeInWords(code)).toBe(words);
});
