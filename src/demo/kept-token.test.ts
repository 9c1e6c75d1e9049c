// The kept token is written completely or not at all, and only its owner can read it.
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keepToken, keptTokenFile, readKeptToken } from './kept-token.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'larder-kept-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

const mode = () => statSync(keptTokenFile(data)).mode & 0o777;

test('is readable by its owner alone, and nothing else is left in the folder', () => {
  const mask = process.umask(0);
  try {
    keepToken(data, 'larder_first');
  } finally {
    process.umask(mask);
  }
  expect([readKeptToken(data), mode(), readdirSync(data)]).toEqual(['larder_first', 0o600, ['demo-token']]);
});

test('a file that others can read is replaced, and so is an incomplete one', () => {
  writeFileSync(keptTokenFile(data), 'old', { mode: 0o644 });
  writeFileSync(`${keptTokenFile(data)}.${process.pid}`, 'larder_ha', { mode: 0o644 });
  keepToken(data, 'larder_second');
  expect([readKeptToken(data), mode(), readdirSync(data)]).toEqual(['larder_second', 0o600, ['demo-token']]);
});

test('reading a file that a person wrote removes the rights of others on it', () => {
  writeFileSync(keptTokenFile(data), ' larder_mine \n');
  chmodSync(keptTokenFile(data), 0o664);
  expect([readKeptToken(data), mode()]).toEqual(['larder_mine', 0o600]);
});

test('reading throws with an instruction if there is no file', () => {
  expect(() => readKeptToken(data)).toThrow(
    `Write the token to ${keptTokenFile(data)}, or choose another LARDER_DATA.`,
  );
});
