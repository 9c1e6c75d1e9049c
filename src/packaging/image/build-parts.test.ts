// Parts of a build that need no sandbox: patterns, leftovers, interpreters of hooks, waves of packages, and the system call
// filter.
import { expect, test } from 'vitest';
import { entry } from '../../../test/fixtures/tar.ts';
import { seccompProgram } from '../../sandbox/seccomp.ts';
import type { TarInput } from '../../tar/entry.ts';
import { hookCommand, traceCommand } from './hook.ts';
import { withoutLeftovers } from './leftovers.ts';
import { orderWaves } from './package-waves.ts';
import { pathMatcher } from './path-pattern.ts';

test.each([
  ['/etc/init.d/**', 'etc/init.d/redis', true],
  ['etc/*.conf', 'etc/a.conf', true],
  ['etc/*.conf', 'etc/x/a.conf', false],
  ['etc/*.conf', 'etc/axconf', false],
  ['var/lib/pg', 'var/lib/pg/a/b', true],
  ['var/lib/pg', 'var/lib/pgx', false],
  ['**/cache', 'a/b/cache/c', true],
  ['**/cache', 'cache', true],
  ['usr/**/x', 'usr/x', true],
])('pathMatcher of %s returns for %s: %s', (pattern, path, expected) => {
  expect(pathMatcher([pattern])(path)).toBe(expected);
});

async function kept(entries: TarInput[], remove: string[] = []): Promise<string[]> {
  const paths: string[] = [];
  for await (const { header } of withoutLeftovers(list(entries), {
    privateKeys: true,
    remove,
    keep: ({ path }) => path === 'run/app',
  })) {
    paths.push(header.path);
  }
  return paths;
}

async function* list(entries: TarInput[]): AsyncGenerator<TarInput, void> {
  yield* entries;
}

test('withoutLeftovers drops logs, backups and generated keys, but no kept paths, log folders, log links and shipped keys', async () => {
  const link = (path: string, target: string) => entry(path, { type: 'symlink', target, mode: 0o777 });
  const key = '-----BEGIN PRIVATE KEY-----\nx';
  expect(
    await kept(
      [
        entry('run/app', {}),
        entry('run/other', {}),
        entry('var/log/nginx', {}),
        entry('var/log/nginx/access.log', { content: 'x' }),
        link('var/log/nginx/error.log', '/dev/stderr'),
        entry('etc/shadow-', { content: 'x' }),
        entry('etc/app/server.key', { content: key }),
        entry('usr/share/doc/example.key', { content: key }),
        entry('etc/ssl/certs/ssl-cert-snakeoil.pem', { content: 'x' }),
        link('etc/ssl/certs/0a1b2c3d.0', 'ssl-cert-snakeoil.pem'),
        link('etc/ssl/certs/ffffffff.0', 'real.pem'),
        entry('opt/gone', { content: 'x' }),
        link('opt/to-gone', '../opt/gone'),
      ],
      ['/opt/gone'],
    ),
  ).toEqual([
    'run/app',
    'var/log/nginx',
    'var/log/nginx/error.log',
    'usr/share/doc/example.key',
    'etc/ssl/certs/ffffffff.0',
  ]);
});

const bashFor = ['/bin/bash', '--posix', '-O', 'xpg_echo'];
test.each([
  ['echo', ['/bin/sh', '-e', '/x'], [...bashFor, '-c', 'TRACED', '/x']],
  ['#!/bin/sh -u\n', ['/bin/sh', '-u', '-e', '/x'], [...bashFor, '-u', '-c', 'TRACED', '/x']],
  ['#!/bin/dash\n', ['/bin/dash', '-e', '/x'], ['/bin/dash', '-c', 'TRACED', '/x']],
  ['#! /usr/bin/env bash\n', ['/usr/bin/env', 'bash', '-e', '/x'], ['/usr/bin/env', 'bash', '-c', 'TRACED', '/x']],
  ['#!/usr/bin/perl -w\n', ['/usr/bin/perl', '-w', '/x'], undefined],
])('%j runs with %j and is traced with %j', (text, expected, traced) => {
  const script = Buffer.from(text);
  expect(hookCommand(script, '/x')).toEqual(expected);
  const command = traceCommand(script, { path: '/x', bash: true });
  expect(command?.map((word) => (word.includes('LINENO') ? 'TRACED' : word))).toEqual(traced);
});

test('orderWaves puts pre-dependencies into an earlier wave, and a cycle into one wave', () => {
  const control = (name: string, preDepends: string[] = [], provides: string[] = []) => ({
    file: name,
    name,
    preDepends,
    provides,
  });
  expect(
    orderWaves([control('app', ['virtual', 'elsewhere']), control('lib', [], ['virtual']), control('other')]),
  ).toEqual([['lib', 'other'], ['app']]);
  expect(orderWaves([control('a', ['b']), control('b', ['a'])])).toEqual([['a', 'b']]);
});

test.each(['x64', 'arm64'] as const)(
  'the filter for %s has only jumps inside it, and its last instruction allows',
  (architecture) => {
    const program = seccompProgram(architecture);
    const count = program.length / 8;
    expect(Number.isInteger(count)).toBe(true);
    for (let at = 0; at < count; at++) {
      const code = program.readUInt16LE(at * 8);
      if ((code & 0x07) !== 0x05) continue;
      expect(at + 1 + Math.max(program.readUInt8(at * 8 + 2), program.readUInt8(at * 8 + 3))).toBeLessThan(count);
    }
    expect(program.readUInt32LE((count - 1) * 8 + 4)).toBe(0x7fff0000);
  },
);
