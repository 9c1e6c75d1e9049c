import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chooseFiles, rotationLines, SLOW_FILES, TURNS } from './rotation.ts';

const ROOT = join(import.meta.dirname, '..');
const FILES = [
  { file: 'a.test.ts', seconds: 50, tests: ['src/a/'] },
  { file: 'b.test.ts', seconds: 30, tests: ['src/b/'] },
  { file: 'c.test.ts', seconds: 30, tests: ['src/c/'] },
  { file: 'd.test.ts', seconds: 10, tests: ['src/a/'] },
];

test('each file has its turn once in as many commits as there are turns', () => {
  const runs = Array.from({ length: TURNS }, (_, commits) => chooseFiles(FILES, { commits, changed: [] }));
  expect(runs.flatMap(({ due }) => due.map(({ file }) => file)).sort()).toEqual(FILES.map(({ file }) => file));
  for (const { due, left } of runs) expect(due.length + left.length).toBe(FILES.length);
});

test('a file also runs when what it tests, or the file itself, changed', () => {
  const at = (changed: string[]) => chooseFiles(FILES, { commits: 0, changed });
  expect(at(['src/b/x.ts']).due).toEqual([
    { file: 'a.test.ts', why: 'turn' },
    { file: 'b.test.ts', why: 'change' },
  ]);
  expect(at(['c.test.ts', 'README.md']).due.map(({ file }) => file)).toEqual(['a.test.ts', 'c.test.ts']);
});

test('all files run when the change is not known', () => {
  expect(chooseFiles(FILES, { commits: 1, changed: undefined }).left).toEqual([]);
});

test('turns take about the same time', () => {
  const seconds = Array.from({ length: TURNS }, (_, commits) => {
    const due = new Set(chooseFiles(SLOW_FILES, { commits, changed: [] }).due.map(({ file }) => file));
    return SLOW_FILES.reduce((sum, slow) => sum + (due.has(slow.file) ? slow.seconds : 0), 0);
  });
  expect(Math.max(...seconds) / Math.min(...seconds)).toBeLessThan(1.2);
});

test('names files and folders that exist', () => {
  const names = SLOW_FILES.flatMap(({ file, tests }) => [file, ...tests]);
  expect(names.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
});

test('says what runs and what waits', () => {
  expect(rotationLines(chooseFiles(FILES, { commits: 0, changed: ['src/b/x.ts'] }))).toEqual([
    'slow test files that have their turn: a.test.ts',
    'slow test files that run because of a change: b.test.ts',
    'slow test files left out until their turn: c.test.ts, d.test.ts',
  ]);
});
