// Whole builds on a real Debian: base, packages, customizations with scripts, the same bits twice, and tests of the finished image.
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildDebian, type Debian, debianBase, OPERATING_SYSTEM, solvePackages } from '../../test/debian.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { inspect, packed, rootfs, yaml } from '../customization/fixtures.ts';
import type { Inspection } from '../customization/inspection.ts';
import type { ImageConfig, Index, Manifest } from '../oci/descriptor.ts';
import type { BuiltLayer } from '../oci/layer.ts';
import { memoryContent } from '../oci/memory.ts';
import type { TarInput } from '../tar/entry.ts';
import { chunked, collect, entry, readAll } from '../tar/fixtures.ts';
import { hostPlatform, pinBaseImage } from './base-image.ts';
import { build } from './build.ts';
import { BuildError } from './build-error.ts';
import { sandboxMode, type TestWorkspace, testWorkspace } from './fixtures.ts';
import { bytesOf, readDocument } from './image.ts';
import type { LayerCache } from './layer-cache.ts';
import { aptOptionsIn } from './machine-apt.ts';
import type { Artifact, BuildPlan, CustomizationPin, PackagePin, ProductTest } from './plan.ts';
import { verify } from './verify.ts';

const EPOCH = 1_760_000_000;
/** A base is made once a machine, in some 14 s; the rest takes seconds. */
const SLOW_MS = 180_000;

test("of the machine's apt settings those go along that say how to reach the archive", () => {
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
  let debian: Debian;
  let workspace: TestWorkspace;
  let redis: PackagePin[];

  beforeAll(async () => {
    debian = await debianBase();
    workspace = await testWorkspace(debian.content);
    redis = await solvePackages(debian, ['redis-server']);
  }, SLOW_MS);
  afterAll(async () => await workspace[Symbol.asyncDispose]());

  const put = async (text: string) => await debian.content.put(bytesOf(text));

  async function redisPlan(changes: Partial<BuildPlan> = {}): Promise<BuildPlan> {
    const configuration = await put('bind 127.0.0.1\ndir /data\nsave ""\n');
    return {
      format: 1,
      packaging_type: 'CONTAINER_IMAGE',
      product: {
        key: 'redis',
        name: 'Redis',
        branch: '7.0',
        version: '7.0.15',
        description: 'Store',
        licenses: ['BSD-3-Clause'],
      },
      platform: hostPlatform(),
      operating_system: OPERATING_SYSTEM,
      base: debian.base,
      packages: redis,
      folders: [
        { path: '/data', mode: 0o775, uid: 1001, gid: 0 },
        { path: '/run/redis', mode: 0o775, uid: 1001, gid: 0 },
      ],
      files: [{ path: "/opt/it's/redis.conf", ...configuration, mode: 0o640, uid: 1001, gid: 0 }],
      links: [{ path: '/opt/cli', target: '/usr/bin/redis-cli' }],
      remove: ['/etc/init.d/**'],
      image: {
        user: { name: 'app', uid: 1001, gid: 0, home: '/data' },
        environment: { GREETING: "it's" },
        entrypoint: ['redis-server', "/opt/it's/redis.conf"],
        command: [],
        ports: [{ port: 6379, protocol: 'tcp' }],
        volumes: ['/data'],
        working_directory: '/data',
        labels: { team: 'data' },
      },
      tests: [],
      customizations: [],
      epoch: EPOCH,
      ...changes,
    };
  }

  const noCache: LayerCache = { get: async () => undefined, set: async () => undefined };

  async function run(plan: BuildPlan, options: { cache?: LayerCache; inspections?: Map<Digest, Inspection> } = {}) {
    let log = '';
    const { cache = noCache, inspections = new Map() } = options;
    const artifact = await build(plan, {
      workspace,
      layers: cache,
      inspections,
      log: { write: (bytes) => (log += bytes.toString()) },
    });
    return { artifact, log };
  }

  async function customization(
    entries: TarInput[],
    packages: PackagePin[] = [],
  ): Promise<{ pin: CustomizationPin; inspections: Map<Digest, Inspection> }> {
    const inspection = await inspect(entries);
    const { digest } = await debian.content.put(chunked(await packed(entries)));
    const pin = { id: '6f1c', version: 2, digest, epoch: EPOCH, packages };
    return { pin, inspections: new Map([[digest, inspection]]) };
  }

  async function layersOf(artifact: Artifact) {
    const manifest = await readDocument<Manifest>(debian.content, artifact.manifests[0]?.manifest.digest ?? 'sha256:');
    return await Promise.all(
      manifest.layers.map(
        async ({ digest }) => await readAll(gunzipSync(await collect(await debian.content.open(digest)))),
      ),
    );
  }

  test(
    'a base image is the same bits twice, and holds nothing of this machine',
    async () => {
      const again = await buildDebian(memoryContent());
      // The archive may have moved since the remembered base was made; then its packages tell so.
      const base = again.packages === debian.base.packages ? debian.base : await buildDebian(debian.content);
      expect(again.layers[0]?.diff_id).toBe(base.layers[0]?.diff_id);
      expect(again.digest).toBe(base.digest);
      const entries = await readAll(
        gunzipSync(await collect(await debian.content.open(base.layers[0]?.descriptor.digest ?? 'sha256:'))),
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

  test('a registered image is pinned by its digests, with its package database', async () => {
    const { base } = debian;
    const root = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: base.digest, size: 1 };
    const pin = await pinBaseImage({ workspace, root, name: 'registry/base/debian:12' });
    expect(pin).toMatchObject({
      digest: base.digest,
      manifest: { digest: base.manifest.digest },
      layers: base.layers,
      packages: base.packages,
      created_at: base.created_at,
    });
    const other = { os: 'linux', architecture: 's390x' };
    await expect(pinBaseImage({ workspace, root, name: 'x', platform: other })).rejects.toThrow(
      'x has no image for linux/s390x',
    );
  });

  test(
    'the same plan gives the same image, with packages, files, user and settings, and without logs, caches and keys',
    async () => {
      const plan = await redisPlan();
      const first = await run(plan);
      const second = await run(plan);
      expect(second.artifact.index).toEqual(first.artifact.index);
      const index = await readDocument<Index>(debian.content, first.artifact.index.digest);
      expect(index.manifests.map(({ platform }) => platform)).toEqual([hostPlatform()]);
      const config = await readDocument<ImageConfig>(
        debian.content,
        first.artifact.manifests[0]?.config.digest ?? 'sha256:',
      );
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
      const [, application = []] = await layersOf(first.artifact);
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
        await (await debian.content.open(first.artifact.packages ?? 'sha256:')).toArray(),
      ).toString();
      expect(status).toContain('Package: redis-server\nStatus: install ok installed');
      expect(first.artifact.metadata.map(({ filename, mime_type }) => [filename, mime_type])).toEqual([
        ['build.log', 'build_log'],
      ]);
      expect(first.log).toContain('Setting up redis-server');
    },
    SLOW_MS,
  );

  test(
    'what was built before is used again, unless its content is gone',
    async () => {
      const known = new Map<Digest, BuiltLayer>();
      const cache: LayerCache = {
        get: async (key) => known.get(key),
        set: async (key, layer) => void known.set(key, layer),
      };
      const plan = await redisPlan({ packages: [], folders: [{ path: '/cached', mode: 0o755, uid: 0, gid: 0 }] });
      const first = await run(plan, { cache });
      const second = await run(plan, { cache });
      expect(second.log).toContain('is used again');
      expect(second.artifact.index).toEqual(first.artifact.index);
      for (const { descriptor } of known.values()) await debian.content.delete(descriptor.digest);
      const third = await run(plan, { cache });
      expect(third.log).not.toContain('is used again');
      expect(third.artifact.index.digest).toBe(first.artifact.index.digest);
    },
    SLOW_MS,
  );

  test(
    "a package that cannot be installed fails the build with dpkg's words",
    async () => {
      const broken = redis
        .map((pin) => (pin.name === 'redis-server' ? pin : undefined))
        .filter((pin) => pin !== undefined);
      const plan = await redisPlan({ packages: broken });
      const failure = await run(plan).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(BuildError);
      expect(failure).toMatchObject({ step: 'application', cause_kind: 'BUILD_ERROR' });
      expect(String(failure)).toMatch(/depends on redis-tools/);
    },
    SLOW_MS,
  );

  test(
    'a customization gives layers of its own: packages and scripts, files, the last script',
    async () => {
      const jq = await solvePackages(debian, ['jq']);
      const { pin, inspections } = await customization(
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
      const plan = await redisPlan({ packages: [], customizations: [pin] });
      const { artifact, log } = await run(plan, { inspections });
      const [, , packages = [], files = [], last = []] = await layersOf(artifact);
      expect(packages.find(({ name }) => name === 'var/lib/order')?.content).toBe('one\ntwo\n');
      expect(packages.map(({ name }) => name)).toContain('usr/bin/jq');
      expect(files.filter(({ header }) => header.type === 'file').map(({ name }) => name)).toEqual(['etc/company']);
      expect(last.filter(({ header }) => header.type !== 'folder').map(({ name }) => name)).toEqual([
        'etc/.wh.debian_version',
      ]);
      const config = await readDocument<ImageConfig>(debian.content, artifact.manifests[0]?.config.digest ?? 'sha256:');
      expect(config.config?.Env).toContain('COMPANY=acme');
      expect(config.config?.Labels).toMatchObject({ owner: 'acme', team: 'data' });
      expect(log).toContain('customization 6f1c v2: scripts/final');
      const again = await run(plan, { inspections });
      expect(again.artifact.index).toEqual(artifact.index);
    },
    SLOW_MS,
  );

  test.each([
    [
      'final.sh',
      'echo fine\n\nfalse\necho never\n',
      /^scripts\/final\.sh, line 3: failed with code 1\./,
      /\+ line 3: false/,
    ],
    [
      'final',
      '#!/bin/bash\nset -u\necho "about to"\necho "$NOT_SET"\n',
      /^scripts\/final, line 4: failed with code/,
      /NOT_SET/,
    ],
    [
      'after-packages',
      '#!/usr/bin/perl\nprint "hello\\n";\ndie "no way";\n',
      /^scripts\/after-packages, line 3: failed/,
      /no way/,
    ],
    ['final', '#!/no/such/program\n', /^scripts\/final: failed with code/, /no such/i],
  ])('a failing script %s says where: %j', async (name, script, first, printed) => {
    const { pin, inspections } = await customization([entry(`scripts/${name}`, { content: script })]);
    const plan = await redisPlan({ packages: [], customizations: [pin] });
    const failure = (await run(plan, { inspections }).catch((error: unknown) => error)) as BuildError;
    expect(failure).toBeInstanceOf(BuildError);
    expect(failure.cause_kind).toBe('CUSTOMIZATION_BUILD_ERROR');
    expect(failure.step).toBe(`customization 6f1c v2: scripts/${name}`);
    expect(failure.message).toMatch(first);
    expect(failure.message).toMatch(printed);
    expect(failure.message).not.toContain('never');
  });

  test('files alone need no sandbox; scripts without one are refused with the reason', async () => {
    await using poor = await testWorkspace(debian.content, {
      mode: 'files-only',
      reasons: ['No user namespaces here.'],
    });
    const nothing = { packages: [], files: [], folders: [], links: [] };
    const options = { workspace: poor, layers: noCache, log: { write: () => undefined } };
    const files = await customization([rootfs('etc/company', { content: 'acme' })]);
    const built = await build(await redisPlan({ ...nothing, customizations: [files.pin] }), {
      ...options,
      inspections: files.inspections,
    });
    expect(built.manifests[0]?.layers).toHaveLength(2);
    const scripted = await customization([entry('scripts/final', { content: 'true' })]);
    const plan = await redisPlan({ ...nothing, customizations: [scripted.pin] });
    await expect(build(plan, { ...options, inspections: scripted.inspections })).rejects.toThrow(
      'No user namespaces here.',
    );
  });

  describe('verification', () => {
    const shown = (report: { tests: { name: string; passed: boolean }[] }) =>
      Object.fromEntries(report.tests.map(({ name, passed }) => [name, passed]));
    const tests: ProductTest[] = [
      { name: 'ping', kind: 'exec', command: ['redis-cli', 'ping'], stdout: 'PONG', timeout_seconds: 20 },
      { name: 'own user', kind: 'exec', command: ['id'], stdout: 'uid=1001(app) gid=0(root)', timeout_seconds: 20 },
      { name: 'tcp', kind: 'tcp', port: 6379, send: 'PING\r\n', receive: '+PONG', timeout_seconds: 20 },
      {
        name: 'variables',
        kind: 'exec',
        command: ['sh', '-c', 'echo $GREETING $EXTRA'],
        stdout: "it's more",
        timeout_seconds: 20,
      },
      { name: 'exit code', kind: 'exec', command: ['sh', '-c', 'exit 3'], exit_code: 3, timeout_seconds: 20 },
    ];
    const failing: ProductTest[] = [
      { name: 'no network', kind: 'exec', command: ['sh', '-c', 'cat /proc/net/route | grep eth'], timeout_seconds: 1 },
      { name: 'closed port', kind: 'tcp', port: 1, timeout_seconds: 1 },
      { name: 'not http', kind: 'http', port: 6379, path: '/', status: 200, timeout_seconds: 1 },
      { name: 'hangs', kind: 'exec', command: ['sleep', '432109'], timeout_seconds: 1 },
    ];

    test(
      'passes what is so and reports what is not, with what came back',
      async () => {
        const plan = await redisPlan({ tests: [...tests, ...failing], test_environment: { EXTRA: 'more' } });
        const { artifact } = await run(plan);
        const report = await verify(plan, artifact, { workspace });
        expect(shown(report)).toEqual({
          ...Object.fromEntries(tests.map(({ name }) => [name, true])),
          ...Object.fromEntries(failing.map(({ name }) => [name, false])),
        });
        expect(report.passed).toBe(false);
        expect(report.tests[0]?.output).toContain('PONG');
        expect(report.tests.find(({ name }) => name === 'closed port')?.output).toContain('refuses connections');
        expect(report.tests.at(-1)?.output).toContain('Ready to accept connections');
        expect(shown(await verify({ ...plan, tests }, artifact, { workspace }))).not.toContain(false);
      },
      SLOW_MS,
    );

    test('a service that ends is told as such, with its last words', async () => {
      const plan = await redisPlan({ tests: [tests[0] as ProductTest] });
      const image = { ...plan.image, entrypoint: ['sh', '-c', 'echo cannot start; exit 7'] };
      const { artifact } = await run({ ...plan, packages: [], image });
      const report = await verify(plan, artifact, { workspace });
      expect(report.passed).toBe(false);
      expect(report.tests[0]?.output).toMatch(/ended with code 7.*cannot start/s);
    });

    test("pages are read over HTTP, also from an image without a shell's help", async () => {
      const plan = await redisPlan({
        packages: [],
        tests: [
          { name: 'page', kind: 'http', port: 8080, path: '/x', status: 200, body: 'hello', timeout_seconds: 20 },
          { name: 'missing', kind: 'http', port: 8080, path: '/x', status: 404, timeout_seconds: 1 },
        ],
      });
      const server =
        'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; while (my $c = $s->accept) { while (<$c>) { last if /^\\r\\n/ } print $c "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n5\\r\\nhello\\r\\n0\\r\\n\\r\\n"; close $c }';
      const { artifact } = await run({ ...plan, image: { ...plan.image, entrypoint: ['perl', '-e', server] } });
      const report = await verify(plan, artifact, { workspace });
      expect(shown(report)).toEqual({ page: true, missing: false });
      expect(report.tests[1]?.output).toContain('HTTP status 200');
    });
  });
});
