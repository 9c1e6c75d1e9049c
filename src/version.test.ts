// The version of Larder, read from its sources and from a built dist/.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from './version.ts';

const PACKAGE = new URL('../package.json', import.meta.url).pathname;

test('is that of package.json, and «larder --version» prints it', () => {
  expect(VERSION).toBe(JSON.parse(readFileSync(PACKAGE, 'utf8')).version);
  const cli = new URL('bin/cli.ts', import.meta.url).pathname;
  expect(execFileSync(process.execPath, [cli, '--version'], { cwd: tmpdir(), encoding: 'utf8' })).toBe(`${VERSION}\n`);
}, 60_000);

test('is found from dist/src too, past another package.json', () => {
  const directory = mkdtempSync(join(tmpdir(), 'larder-version-'));
  try {
    mkdirSync(join(directory, 'dist', 'src'), { recursive: true });
    cpSync(PACKAGE, join(directory, 'package.json'));
    writeFileSync(join(directory, 'dist', 'package.json'), '{"type":"module"}');
    cpSync(new URL('version.ts', import.meta.url), join(directory, 'dist', 'src', 'version.ts'));
    const print = `import('${join(directory, 'dist', 'src', 'version.ts')}').then((m) => console.log(m.VERSION))`;
    expect(execFileSync(process.execPath, ['-e', print], { encoding: 'utf8' })).toBe(`${VERSION}\n`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 60_000);
