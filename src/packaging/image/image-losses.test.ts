// Customizations that remove parts that the image requires. The build fails and names the step and the missing part.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sandboxMode } from '../../../test/fixtures/build.ts';
import { rootfs, yaml } from '../../../test/fixtures/customization.ts';
import { entry } from '../../../test/fixtures/tar.ts';
import { openRedisBuilds, type RedisBuilds, SLOW_MS } from '../../../test/redis-builds.ts';
import { soleRoot } from '../../plan/artifact.ts';
import type { BuildError } from '../../sandbox/build-error.ts';
import type { TarInput } from '../../tar/entry.ts';

describe.skipIf(sandboxMode.mode === 'files-only')('a customization that', () => {
  let builds: RedisBuilds;

  beforeAll(async () => {
    builds = await openRedisBuilds();
  }, SLOW_MS);
  afterAll(async () => await builds[Symbol.asyncDispose]());

  const layers = new Map();
  const cache = {
    get: async (key: string) => layers.get(key),
    set: async (key: string, layer: unknown) => void layers.set(key, layer),
  };

  async function run(entries: TarInput[]) {
    const { pin, inspections } = await builds.customization(entries);
    return await builds.run(await builds.redisPlan({ customizations: [pin] }), { inspections, cache });
  }
  const final = (script: string) => [entry('scripts/final.sh', { content: `${script}\n` })];

  test.each<[string, TarInput[], RegExp]>([
    [
      'removes /etc',
      final('rm -rf /etc'),
      /^scripts\/final\.sh: removes parts that the image requires: \/etc\/passwd; \/etc\/group\.$/,
    ],
    [
      'removes os-release',
      final('rm /etc/os-release /usr/lib/os-release'),
      /^scripts\/final\.sh: .*: \/etc\/os-release\.$/,
    ],
    [
      'removes the package database',
      final('rm -r /var/lib/dpkg'),
      /: the package database \/var\/lib\/dpkg\/status\.$/,
    ],
    [
      'empties the package database',
      final(': > /var/lib/dpkg/status'),
      /: every package of the package database \/var\/lib\/dpkg\/status\.$/,
    ],
    [
      'breaks the package database',
      final('echo nonsense >> /var/lib/dpkg/status'),
      /: the package database \/var\/lib\/dpkg\/status, which can no longer be read \(/,
    ],
    [
      'removes the user of the image',
      final('sed -i /^app:/d /etc/passwd'),
      /: the user app \(uid 1001\), which the image runs as, in \/etc\/passwd\.$/,
    ],
    [
      'removes the program of the image',
      final('rm /usr/bin/redis-server'),
      /: the program redis-server, which the image starts \(/,
    ],
    ['makes the program not executable', final('chmod a-x /usr/bin/redis-*'), /: the program redis-server, which/],
    [
      'removes the C library',
      final('rm -f /usr/lib/*-linux-gnu/libc.so.6'),
      /: the C library \/lib\/.*-linux-gnu\/libc\.so\.6\.$/,
    ],
    ['removes the loader', final('rm -f /lib64/ld-* /lib/ld-*'), /: the program loader \/lib/],
    ['removes /usr', final('exec rm -rf /usr'), /the program redis-server.*the program loader.*the C library/],
    [
      'removes a required file in a script before its packages',
      [
        entry('scripts/before-packages', { content: 'rm /etc/passwd\n' }),
        entry('scripts/after-packages.sh', { content: 'true\n' }),
      ],
      /^scripts\/before-packages or scripts\/after-packages\.sh: .*: \/etc\/passwd\.$/,
    ],
    [
      'replaces the program with a text file',
      [
        rootfs('usr/bin/redis-server', { content: 'no program', mode: 0o644 }),
        rootfs('usr/bin/redis-check-rdb', { content: 'x' }),
      ],
      /^rootfs\/ and customization\.yaml: .*: the program redis-server/,
    ],
    [
      'sets a PATH without the program',
      [yaml('environment: {PATH: /opt/none}')],
      /^environment: .*or not in PATH\)\.$/,
    ],
  ])('%s fails the build', { timeout: SLOW_MS }, async (_, entries, message) => {
    const failure = (await run(entries).catch((error: unknown) => error)) as BuildError;
    expect(failure.message).toMatch(message);
    expect(failure).toMatchObject({
      step: 'customization "Company basics" v2',
      cause_kind: 'CUSTOMIZATION_BUILD_ERROR',
      customization: { id: '6f1c', version: 2 },
    });
  });

  test('only moves programs and changes files is accepted', { timeout: SLOW_MS }, async () => {
    const script = [
      'cp -L /usr/bin/redis-server /usr/local/bin/redis-real && rm /usr/bin/redis-server && ln -s redis-real /usr/local/bin/redis-server',
      'echo "more:x:2000:0::/:/bin/sh" >> /etc/passwd',
      'rm /etc/os-release && rm -rf /usr/share/doc',
      'rm -f /usr/bin/redis-benchmark',
    ];
    const { artifact } = await run([
      yaml('environment: {PATH: "/usr/local/bin:/usr/bin:/bin"}'),
      ...final(script.join('\n')),
    ]);
    expect(soleRoot(artifact).parts).toHaveLength(1);
  });
});
