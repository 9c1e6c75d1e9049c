// Customizations on a real Debian: packages, files and scripts in separate layers, and the report of a failing script.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { solvePackages } from '../../../test/debian.ts';
import { sandboxMode, testWorkspace } from '../../../test/fixtures/build.ts';
import { rootfs, yaml } from '../../../test/fixtures/customization.ts';
import { entry } from '../../../test/fixtures/tar.ts';
import { noCache, openRedisBuilds, type RedisBuilds, SLOW_MS } from '../../../test/redis-builds.ts';
import { receivedError, sentError } from '../../engine/messages.ts';
import { failureOf } from '../../jobs/phase.ts';
import type { ImageConfig } from '../../oci/descriptor.ts';
import { soleRoot } from '../../plan/artifact.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { build } from './build-image.ts';
import { readDocument } from './image.ts';

describe.skipIf(sandboxMode.mode === 'files-only')('customizations', () => {
  let builds: RedisBuilds;

  beforeAll(async () => {
    builds = await openRedisBuilds();
  }, SLOW_MS);
  afterAll(async () => await builds[Symbol.asyncDispose]());

  test(
    'add three layers: of packages and first scripts, of files, and of the last script',
    async () => {
      const jq = await solvePackages(builds.debian, ['jq']);
      const { pin, inspections } = await builds.customization(
        [
          yaml('packages: [jq]', 'environment: {COMPANY: acme}', 'labels: {owner: acme}'),
          rootfs('etc/company', { content: 'acme' }),
          entry('scripts/before-packages', { content: '#!/bin/sh\n! command -v jq\necho one >> /var/lib/order\n' }),
          entry('scripts/after-packages.sh', {
            content: 'command -v jq && [ ! -e /etc/company ]\necho two >> /var/lib/order\n',
          }),
          entry('scripts/final', {
            content: '#!/bin/bash\ngrep acme /etc/company\n[ "$COMPANY$GREETING" = "it\'s" ]\nrm /etc/debian_version\n',
          }),
        ],
        jq,
      );
      const plan = await builds.redisPlan({ packages: [], customizations: [pin] });
      const { artifact, log } = await builds.run(plan, { inspections });
      const [, , packages = [], files = [], last = []] = await builds.layersOf(artifact);
      expect(packages.find(({ name }) => name === 'var/lib/order')?.content).toBe('one\ntwo\n');
      expect(packages.map(({ name }) => name)).toContain('usr/bin/jq');
      expect(files.filter(({ header }) => header.type === 'file').map(({ name }) => name)).toEqual(['etc/company']);
      expect(last.filter(({ header }) => header.type !== 'folder').map(({ name }) => name)).toEqual([
        'etc/.wh.debian_version',
      ]);
      const config = await readDocument<ImageConfig>(builds.debian.content, soleRoot(artifact).content.digest);
      expect(config.config?.Env).toContain('COMPANY=acme');
      expect(config.config?.Labels).toMatchObject({ owner: 'acme', team: 'data' });
      expect(log).toContain('customization "Company basics" v2: scripts/final');
      const again = await builds.run(plan, { inspections });
      expect(soleRoot(again.artifact)).toEqual(soleRoot(artifact));
    },
    SLOW_MS,
  );

  test.each([
    [
      'final.sh',
      'echo fine\n\nfalse\necho never\n',
      /^scripts\/final\.sh, line 3: failed with code 1\.\nfine$/,
      /fine/,
    ],
    [
      'final',
      '#!/bin/bash\nset -u\necho "about to"\necho "$NOT_SET"\n',
      /^scripts\/final, line 4: failed with code/,
      /NOT_SET/,
    ],
    [
      'final',
      '#!/bin/sh\nno-such 1 || true\nf() {\n  echo traced 2>&1\n  false\n}\n[ "$(f 2>&1)" = other ]\n[ -z "$BASH" ]\nif true; then\n  (exit 9)\nfi\n',
      /^scripts\/final, line 7: failed with code 1\./,
      /final: 2: no-such: not found$/,
    ],
    [
      'final',
      '#!/bin/sh\necho one\necho two\nif true; then\ndone\n',
      /^scripts\/final, line 5: failed with code 2\.\none\ntwo\n/,
      /Syntax error/,
    ],
    [
      'final',
      '#!/bin/sh -u\nprintf "check() {\\n\\n\\n\\n  false\\n}\\n" > /tmp/checks\n. /tmp/checks\ncheck\n',
      /^scripts\/final, line 4: failed with code 1\.$/,
      /failed/,
    ],
    [
      'before-packages.sh',
      'set -u\ntrue\necho "$NOT_SET"\n',
      /^scripts\/before-packages\.sh, line 3: failed with code 2\.\n.*NOT_SET/,
      /parameter not set$/,
    ],
    [
      'after-packages',
      '#!/bin/sh\n[[ a == a ]]\n',
      /^scripts\/after-packages, line 2: failed with code 127\./,
      /\[\[: not found$/,
    ],
    [
      'after-packages.sh',
      '#!/bin/sh\ngrep one /var/lib/order\ntrue\n(exit 5)\n',
      /^scripts\/after-packages\.sh, line 4: failed with code 5\.\none$/,
      /one/,
    ],
    [
      'after-packages',
      '#!/usr/bin/perl\nprint "hello\\n";\ndie "no way";\n',
      /^scripts\/after-packages, line 3: failed/,
      /no way/,
    ],
    [
      'final',
      '#!/no/such/program -x\n',
      /^scripts\/final, line 1 \(#!\/no\/such\/program -x\): this image has no interpreter \/no\/such\/program; use/,
      /under packages/,
    ],
    [
      'final.sh',
      '#!/usr/bin/env python9\n',
      /^scripts\/final\.sh, line 1 \(#!\/usr\/bin\/env python9\): this image has no interpreter python9; use/,
      /under packages/,
    ],
    [
      'final',
      '#!/etc/passwd\n',
      /^scripts\/final, line 1 .*: the interpreter \/etc\/passwd is not executable/,
      /image/,
    ],
  ])('fail with script, line and output when scripts/%s fails: %j', async (name, script, first, printed) => {
    const { pin, inspections } = await builds.customization([
      // The failed script runs again with a trace. The changes of earlier steps must be present then.
      ...(name === 'after-packages.sh'
        ? [entry('scripts/before-packages', { content: 'echo one >> /var/lib/order\n' })]
        : []),
      entry(`scripts/${name}`, { content: script }),
    ]);
    const plan = await builds.redisPlan({ packages: [], customizations: [pin] });
    const failure = (await builds.run(plan, { inspections }).catch((error: unknown) => error)) as BuildError;
    expect(failure).toBeInstanceOf(BuildError);
    expect(failure.cause_kind).toBe('CUSTOMIZATION_BUILD_ERROR');
    expect(failure.step).toBe('customization "Company basics" v2');
    // The error must name the failed customization, so that the pipeline can continue without it.
    const { id, version } = pin;
    expect(failureOf(receivedError(sentError(failure)))).toMatchObject({ customization: { id, version } });
    expect(failure.message).toMatch(first);
    expect(failure.message).toMatch(printed);
    expect(failure.message).not.toContain('never');
  });

  test('without a sandbox, files are added and scripts are rejected with the reason', async () => {
    await using poor = await testWorkspace(builds.debian.content, {
      mode: 'files-only',
      reasons: ['No user namespaces here.'],
    });
    let log = '';
    const nothing = { packages: [], files: [], folders: [], links: [] };
    const options = {
      workspace: poor,
      layers: noCache,
      names: new Map<string, string>(),
      log: { write: (bytes: Buffer) => (log += bytes.toString()) },
    };
    const files = await builds.customization([rootfs('etc/company', { content: 'acme', mode: 0o666 })]);
    const built = await build(await builds.redisPlan({ ...nothing, customizations: [files.pin] }), {
      ...options,
      inspections: files.inspections,
    });
    expect(soleRoot(built).parts[0]?.blobs).toHaveLength(3);
    expect(log).toContain(
      'customization 6f1c v2: warning: rootfs/etc/company: Every user of the image can write to the file',
    );
    const scripted = await builds.customization([entry('scripts/final', { content: 'true' })]);
    const plan = await builds.redisPlan({ ...nothing, customizations: [scripted.pin] });
    await expect(build(plan, { ...options, inspections: scripted.inspections })).rejects.toThrow(
      'No user namespaces here.',
    );
  });
});
