// Whole builds on a real Debian: the base image, the application with its packages, and equal results of two builds.
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildDebian } from '../../../test/debian.ts';
import { sandboxMode } from '../../../test/fixtures/build.ts';
import { concatenate, readAll } from '../../../test/fixtures/tar.ts';
import { EPOCH, openRedisBuilds, type RedisBuilds, SLOW_MS } from '../../../test/redis-builds.ts';
import { memoryContent } from '../../content/memory.ts';
import type { Digest } from '../../contract/vocabulary.ts';
import type { ImageConfig, Index } from '../../oci/descriptor.ts';
import type { BuiltLayer } from '../../oci/layer.ts';
import { soleRoot } from '../../plan/artifact.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { hostPlatform } from './base-image.ts';
import { pinBaseImage } from './base-image-pin.ts';
import { readDocument } from './image.ts';
import type { LayerCache } from './layer-cache.ts';
import { aptOptionsIn } from './machine-apt.ts';

test('aptOptionsIn keeps only settings for reaching an archive', () => {
  const proxy = 'Acquire::http::Proxy "http://user:secret@proxy:3128";';
  const dump = [
    'Acquire "";',
    proxy,
    'Acquire::https::CaInfo "/etc/ca.pem";',
    'Acquire::http::Timeout "";',
    'DPkg::Post-Invoke:: "rm -rf /";',
    'Acquire::Check-Date "false";',
  ];
  expect(aptOptionsIn(dump.join('\n'))).toEqual([proxy, dump[2], dump[5]]);
});

describe.skipIf(sandboxMode.mode === 'files-only')('on Debian', () => {
  let builds: RedisBuilds;

  beforeAll(async () => {
    builds = await openRedisBuilds();
  }, SLOW_MS);
  afterAll(async () => await builds[Symbol.asyncDispose]());

  test(
    'a second base image has the same digest, and contains no file of this machine',
    async () => {
      const again = await buildDebian(memoryContent());
      // The base image was built earlier. Since then, the archive may have been published again, with other packages or only
      // with a new date.
      const { base: kept, content } = builds.debian;
      const isSameArchive = again.packages === kept.packages && again.created_at === kept.created_at;
      const base = isSameArchive ? kept : await buildDebian(content);
      expect(again.layers[0]?.diff_id).toBe(base.layers[0]?.diff_id);
      expect(again.digest).toBe(base.digest);
      const entries = await readAll(
        gunzipSync(await concatenate(await builds.debian.content.open(base.layers[0]?.descriptor.digest ?? 'sha256:'))),
      );
      const names = entries.map(({ name }) => name);
      expect(names.filter((name) => name.startsWith('/') || name.startsWith('./'))).toEqual([]);
      expect(
        names.filter((name) =>
          /^(?:dev\/.|proc\/.|sys\/.|etc\/(?:hostname|resolv.conf|machine-id)$|etc\/apt\/sources.list$|etc\/apt\/sources.list.d\/.|var\/lib\/apt\/lists\/(?!partial\/$).)/.test(
            name,
          ),
        ),
      ).toEqual([]);
      expect(entries.filter(({ header, name }) => header.type === 'file' && name.startsWith('var/log/'))).toEqual([]);
      expect(
        entries.filter(
          ({ content, name }) => name.startsWith('etc/apt/') && content.includes('//') && content.includes('deb '),
        ),
      ).toEqual([]);
      expect(names).toContain('etc/ssl/certs/ca-certificates.crt');
    },
    SLOW_MS,
  );

  test('pinBaseImage returns the digests of an image and of its package database', async () => {
    const { base } = builds.debian;
    const root = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: base.digest, size: 1 };
    const pin = await pinBaseImage({ workspace: builds.workspace, root, name: 'registry/base/debian:12' });
    expect(base.manifest.platform).toEqual(hostPlatform());
    expect(pin).toMatchObject({
      digest: base.digest,
      manifest: { digest: base.manifest.digest, platform: hostPlatform() },
      layers: base.layers,
      packages: base.packages,
      created_at: base.created_at,
    });
    const other = { os: 'linux', architecture: 's390x' };
    await expect(pinBaseImage({ workspace: builds.workspace, root, name: 'x', platform: other })).rejects.toThrow(
      'x has no image for linux/s390x',
    );
  });

  test(
    'a plan builds the same image twice, with packages, files, user and settings, and without logs, caches and keys',
    async () => {
      const plan = await builds.redisPlan();
      const first = await builds.run(plan);
      const second = await builds.run(plan);
      expect(soleRoot(second.artifact)).toEqual(soleRoot(first.artifact));
      const index = await readDocument<Index>(builds.debian.content, soleRoot(first.artifact).descriptor.digest);
      expect(index.manifests.map(({ platform }) => platform)).toEqual([hostPlatform()]);
      const config = await readDocument<ImageConfig>(builds.debian.content, soleRoot(first.artifact).content.digest);
      expect(config.config).toMatchObject({
        User: '1001',
        Entrypoint: ['redis-server', "/opt/it's/redis.conf"],
        ExposedPorts: { '6379/tcp': {} },
        Volumes: { '/data': {} },
        WorkingDir: '/data',
        Labels: {
          team: 'data',
          'org.opencontainers.image.base.digest': plan.base.digest,
          'org.opencontainers.image.version': '7.0.15',
        },
      });
      expect(config.config?.Env).toContain("GREETING=it's");
      const [, application = []] = await builds.layersOf(first.artifact);
      const files = new Map(application.map((found) => [found.header.path, found]));
      expect(files.get("opt/it's/redis.conf")?.header).toMatchObject({ mode: 0o640, uid: 1001, gid: 0, mtime: EPOCH });
      expect(files.get('run/redis')?.header).toMatchObject({ type: 'folder', mode: 0o775, uid: 1001 });
      expect(files.get('opt/cli')?.header.target).toBe('/usr/bin/redis-cli');
      expect(files.get('etc/passwd')?.content).toMatch(/^app:x:1001:0::\/data:\/usr\/sbin\/nologin$/m);
      expect(files.get('usr/sbin/policy-rc.d')).toBeUndefined();
      const unwanted = application.filter(
        ({ header: { path, type }, content }) =>
          (type === 'file' && path.startsWith('var/log/')) ||
          /^(?:var\/cache\/(?:apt|ldconfig)\/.|etc\/init\.d\/.|run\/larder|tmp\/.|var\/lib\/dpkg\/(?:lock|.*-old))/.test(
            path,
          ) ||
          (/^(?:etc|var)\//.test(path) && content.includes('PRIVATE KEY-----')),
      );
      expect(unwanted.map(({ name }) => name)).toEqual([]);
      const status = Buffer.concat(
        await (await builds.debian.content.open(first.artifact.component_sources[0]?.digest ?? 'sha256:')).toArray(),
      ).toString();
      expect(status).toContain('Package: redis-server\nStatus: install ok installed');
      // The artifact must not contain the log.
      expect(first.artifact.reports).toEqual([]);
      expect(first.log).toContain('Setting up redis-server');
    },
    SLOW_MS,
  );

  test(
    'a build reuses a layer of an earlier build, unless its content is missing',
    async () => {
      const known = new Map<Digest, BuiltLayer>();
      const cache: LayerCache = {
        get: async (key) => known.get(key),
        set: async (key, layer) => void known.set(key, layer),
      };
      const plan = await builds.redisPlan({
        packages: [],
        folders: [{ path: '/cached', mode: 0o755, uid: 0, gid: 0 }],
      });
      const first = await builds.run(plan, { cache });
      const second = await builds.run(plan, { cache });
      expect(second.log).toContain('reusing the layer');
      expect(soleRoot(second.artifact)).toEqual(soleRoot(first.artifact));
      for (const { descriptor } of known.values()) await builds.debian.content.delete(descriptor.digest);
      const third = await builds.run(plan, { cache });
      expect(third.log).not.toContain('reusing the layer');
      expect(soleRoot(third.artifact).descriptor.digest).toBe(soleRoot(first.artifact).descriptor.digest);
    },
    SLOW_MS,
  );

  test(
    "a build fails with dpkg's message when a package cannot be installed",
    async () => {
      const whole = await builds.redisPlan();
      const plan = { ...whole, packages: whole.packages.filter(({ name }) => name === 'redis-server') };
      const failure = await builds.run(plan).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(BuildError);
      expect(failure).toMatchObject({ step: 'application', cause_kind: 'BUILD_ERROR' });
      expect(String(failure)).toMatch(/depends on redis-tools/);
    },
    SLOW_MS,
  );
});
