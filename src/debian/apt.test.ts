// apt as a solver, with the machine's real archive and with a small local archive that has faults.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import { type AptRoot, openAptRoot, parsePolicy } from './apt.ts';
import { AptError, redact } from './apt-command.ts';
import { checkRequest, parseUris } from './apt-lock.ts';
import { type AptSources, configuredSources } from './apt-sources.ts';

const run = promisify(execFile);
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'larder-apt-'));
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function rejection(work: Promise<unknown>): Promise<AptError> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(AptError);
  return error as AptError;
}

describe('on the archive of this machine', () => {
  let apt: AptRoot;
  let architecture: string;

  beforeAll(async () => {
    architecture = (await run('dpkg', ['--print-architecture'])).stdout.trim();
    const sources = await configuredSources('bookworm');
    apt = await openAptRoot({ directory: join(scratch, 'real'), sources, operating_system: 'debian-12' });
    await apt.update();
  });

  test('update returns the same digest while the archive does not change', async () => {
    const first = await apt.update({ olderThanMs: 60_000 });
    expect(first.digest).toMatch(/^sha256:[a-f0-9]{64}$/);
    expect(await apt.update()).toEqual(first);
  });

  test('packageNames and versionsOf read the indexes', async () => {
    expect(await apt.packageNames(/^postgresql-\d+$/)).toContain('postgresql-15');
    const [redis, unknown] = await apt.versionsOf(['redis-server', 'no-such-package']);
    expect(redis?.candidate).toMatch(/^5:7\.0\./);
    expect(redis?.versions[0]).toBe(redis?.candidate);
    expect(unknown).toEqual({ name: 'no-such-package', versions: [] });
  });

  test('solve returns a lock of all packages, and fetch downloads them by hash', async () => {
    const lock = await apt.solve({ status: '', install: ['libjemalloc2'] });
    expect(lock.map(({ name }) => name)).toEqual(expect.arrayContaining(['libc6', 'libjemalloc2', 'libstdc++6']));
    expect(lock.every(({ digest, size }) => /^sha256:[a-f0-9]{64}$/.test(digest) && size > 0)).toBe(true);
    const wanted = lock.filter(({ name }) => name === 'libjemalloc2' || name === 'libstdc++6');
    const content = memoryContent();
    const pins = await apt.fetch(wanted, content);
    expect(pins.map(({ purl }) => purl.replace(/@.*\?/, '@?'))).toEqual([
      'pkg:deb/debian/libjemalloc2@?arch=amd64&distro=debian-12'.replace('amd64', pins[0]?.architecture ?? ''),
      'pkg:deb/debian/libstdc%2B%2B6@?arch=amd64&distro=debian-12'.replace('amd64', pins[1]?.architecture ?? ''),
    ]);
    expect(pins.every((pin) => !('uri' in pin))).toBe(true);
    for (const { digest, size } of pins) expect(await content.stat(digest)).toMatchObject({ size });
    const elsewhere = memoryContent();
    expect(await apt.fetch(pins, elsewhere)).toEqual(pins);
    for (const { digest } of pins) expect(await elsewhere.stat(digest)).toBeDefined();
  });

  test('concurrent solves agree, and a repeated solve returns the stored lock', async () => {
    const ask = (install: string[]) => apt.solve({ status: '', install });
    const [one, other] = await Promise.all([ask(['memcached']), ask(['memcached', 'zlib1g'])]);
    expect(other.map(({ name }) => name)).toEqual(expect.arrayContaining(one.map(({ name }) => name)));
    const start = performance.now();
    expect(await ask(['zlib1g', 'memcached'])).toEqual(other);
    expect(performance.now() - start).toBeLessThan(100);
    expect(await readdir(join(scratch, 'real', 'work'))).toEqual([]);
  });

  test('the error for unknown packages names all of them', async () => {
    const error = await rejection(apt.solve({ status: '', install: ['no-such-one', 'zlib1g', 'no-such-other'] }));
    expect(error).toMatchObject({
      code: 'PACKAGE_UNKNOWN',
      packages: ['no-such-one', 'no-such-other'],
      temporary: false,
    });
  });

  test('the error for an unknown package names a similar one', async () => {
    const error = await rejection(apt.solve({ status: '', install: ['memcachd', 'no-such-package-at-all'] }));
    expect(error.message).toMatch(/^the archive has no package .*; did you mean memcached\?$/);
  });

  test('the error for a virtual package names its providers, after unknown packages', async () => {
    const error = await rejection(apt.solve({ status: '', install: ['no-such-one', 'mail-transport-agent'] }));
    expect(error).toMatchObject({ code: 'PACKAGE_UNKNOWN', packages: ['no-such-one', 'mail-transport-agent'] });
    expect(error.message).toMatch(
      /^the archive has no package no-such-one; mail-transport-agent is a virtual package; name one of the packages that provide it: .*\b(exim4|postfix|msmtp)/,
    );
    expect((await rejection(apt.solve({ status: '', install: ['mail-transport-agent'] }))).message).toMatch(
      /^mail-transport-agent is a virtual package; name one/,
    );
  });

  test('the error for an unknown version names the package and its versions', async () => {
    const error = await rejection(apt.solve({ status: '', install: ['zlib1g=0.0.1'] }));
    expect(error).toMatchObject({ code: 'VERSION_UNKNOWN', packages: ['zlib1g'] });
    const [zlib] = await apt.versionsOf(['zlib1g']);
    expect(error.message).toBe(
      `the archive does not have zlib1g 0.0.1 (it has ${zlib?.versions.slice(0, 5).join(', ')})`,
    );
    const qualified = await rejection(apt.solve({ status: '', install: ['curl', `zlib1g:${architecture}=0.0.1`] }));
    expect(qualified.message).toBe(error.message.replace('zlib1g ', `zlib1g:${architecture} `));
  });

  test('a package can be requested with its architecture', async () => {
    const lock = await apt.solve({ status: '', install: [`libjemalloc2:${architecture}`] });
    expect(lock).toEqual(await apt.solve({ status: '', install: ['libjemalloc2'] }));
    expect((await rejection(apt.solve({ status: '', install: ['curl:sh4'] }))).message).toContain(
      'no package curl:sh4',
    );
  });

  test('the error for conflicting packages names them and the reason', async () => {
    const error = await rejection(apt.solve({ status: '', install: ['systemd-sysv', 'sysvinit-core'] }));
    expect(error.code).toBe('UNSOLVABLE');
    expect(error.packages).toEqual(expect.arrayContaining(['systemd-sysv', 'sysvinit-core']));
    expect(error.message).toContain('Conflicts');
  });

  test('fetch throws PACKAGE_GONE for a pin that neither the archive nor content has', async () => {
    const pin = {
      purl: 'pkg:deb/debian/zlib1g@0.0.1',
      name: 'zlib1g',
      version: '0.0.1',
      architecture: 'amd64',
      digest: `sha256:${'0'.repeat(64)}` as const,
      size: 3,
    };
    expect(await rejection(apt.fetch([pin], memoryContent()))).toMatchObject({
      code: 'PACKAGE_GONE',
      packages: ['zlib1g'],
    });
    const content = memoryContent();
    const bytes = Buffer.from('deb');
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;
    await content.put([bytes] as unknown as AsyncIterable<Uint8Array>);
    expect(await apt.fetch([{ ...pin, digest }], content)).toEqual([{ ...pin, digest }]);
  });

  test('the lists of the machine’s own apt do not change', async () => {
    const own = await configuredSources();
    const before = await stat('/var/lib/apt/lists');
    const root = await openAptRoot({ directory: join(scratch, 'other'), sources: own, operating_system: 'debian-12' });
    await root.update();
    expect((await stat('/var/lib/apt/lists')).mtimeMs).toBe(before.mtimeMs);
    const settings = await readFile(join(scratch, 'other', 'etc', 'apt.conf'), 'utf8');
    const { stdout } = await run('apt-config', ['-c', join(scratch, 'other', 'etc', 'apt.conf'), 'dump']);
    expect(settings).toContain('#clear APT::Update;');
    expect(stdout).not.toMatch(/Invoke(?:-Success)?:: /);
  });
});

describe('on an archive with faults', () => {
  const archive = () => join(scratch, 'archive');
  const local = (options: string): AptSources => ({
    suite: './',
    deb822: `Types: deb\nURIs: file:${archive()}\nSuites: ./\n${options}\n`,
    signed_by: [],
  });
  const open = (name: string, options: string) =>
    openAptRoot({ directory: join(scratch, name), sources: local(options), operating_system: 'debian-12' });
  const stanza = (name: string, version: string, bytes: string, more = '') =>
    `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: x <x@y>\nFilename: ./${name}.deb\nSize: ${bytes.length}\nSHA256: ${createHash('sha256').update(bytes).digest('hex')}\n${more}Description: x\n\n`;

  beforeAll(async () => {
    await mkdir(archive());
    await writeFile(join(archive(), 'good.deb'), 'good bytes');
    await writeFile(join(archive(), 'bad.deb'), 'bad  bytes');
    const packages = [
      stanza('good', '1:2.0-1', 'good bytes'),
      stanza('bad', '1', 'what it should be'.slice(0, 10)),
      stanza('gone', '1', 'gone bytes'),
      stanza('replacer', '2', 'x', 'Conflicts: held-one\n'),
    ];
    await writeFile(join(archive(), 'Packages'), packages.join(''));
  });

  test('a missing suite is an error of its own', async () => {
    const apt = await open('suiteless', '');
    expect(await rejection(apt.update())).toMatchObject({ code: 'SUITE_MISSING', temporary: false });
  });

  test('an archive without a signature is rejected', async () => {
    const packages = await readFile(join(archive(), 'Packages'));
    const hash = createHash('sha256').update(packages).digest('hex');
    const release = `Origin: x\nDate: ${new Date().toUTCString()}\nSHA256:\n ${hash} ${packages.length} Packages\n`;
    await writeFile(join(archive(), 'Release'), release);
    const apt = await open('unsigned', '');
    expect(await rejection(apt.update())).toMatchObject({ code: 'UNTRUSTED', temporary: false });
    expect((await rejection(apt.solve({ status: '', install: ['good'] }))).code).toBe('UNTRUSTED');
    await rm(join(archive(), 'Release'));
  });

  test('an unreachable archive is a temporary error', async () => {
    const sources = { ...local(''), deb822: 'Types: deb\nURIs: http://127.0.0.1:9/x\nSuites: ./\nTrusted: yes\n' };
    const apt = await openAptRoot({ directory: join(scratch, 'away'), sources, operating_system: 'debian-12' });
    expect(await rejection(apt.update())).toMatchObject({ code: 'UNREACHABLE', temporary: true });
  });

  test('an epoch in a file name is kept; a wrong hash and a missing file are rejected', async () => {
    const apt = await open('trusted', 'Trusted: yes');
    await apt.update();
    const content = memoryContent();
    const good = await apt.solve({ status: '', install: ['good'] });
    expect(good).toMatchObject([{ name: 'good', version: '1:2.0-1' }]);
    expect(await apt.fetch(good, content)).toMatchObject([{ purl: expect.stringContaining('@1:2.0-1') }]);
    expect((await readFile(join(archive(), 'good.deb'))).toString()).toBe('good bytes');
    const bad = await apt.solve({ status: '', install: ['bad'] });
    expect((await rejection(apt.fetch(bad, content))).code).toBe('UNTRUSTED');
    const gone = await apt.solve({ status: '', install: ['gone'] });
    expect(await rejection(apt.fetch(gone, content))).toMatchObject({ code: 'PACKAGE_GONE', packages: ['gone 1'] });
    expect(await readdir(join(scratch, 'trusted', 'work'))).toEqual([]);
  });

  test('solve leaves out installed packages', async () => {
    const apt = await open('installed', 'Trusted: yes');
    const status = `${stanza('good', '1:2.0-1', 'good bytes').trim()}\nStatus: install ok installed\n`;
    expect(await apt.solve({ status, install: ['good'] })).toEqual([]);
    expect(await apt.solve({ status: '', install: [] })).toEqual([]);
    expect(await apt.solve({ status: status.replace('1:2.0-1', '1:1.0-1'), install: ['good'] })).toHaveLength(1);
  });

  test('solve never removes a package of the base, and the error names the package', async () => {
    const apt = await open('held', 'Trusted: yes');
    const status =
      'Package: held-one\nStatus: install ok installed\nArchitecture: all\nMaintainer: x <x@y>\nVersion: 1\nDescription: x\n';
    const error = await rejection(apt.solve({ status, install: ['replacer'] }));
    expect(error).toMatchObject({ code: 'UNSOLVABLE', packages: ['held-one'] });
  });

  test('an archive gets the credentials of its address at every step, and no log contains them', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const wanted = `Basic ${Buffer.from('user:secret-word').toString('base64')}`;
      if (request.headers.authorization !== wanted) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return;
      }
      readFile(join(archive(), request.url ?? '')).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const address = (user: string) =>
        `Types: deb\nURIs: http://${user}127.0.0.1:${port}/\nSuites: ./\nTrusted: yes\n`;
      const logged: string[] = [];
      const openAt = (name: string, user: string) =>
        openAptRoot({
          directory: join(scratch, name),
          sources: { suite: './', deb822: address(user), signed_by: [] },
          operating_system: 'debian-12',
          log: (line) => logged.push(line),
        });
      const apt = await openAt('private', 'user:secret-word@');
      await apt.update();
      const lock = await apt.solve({ status: '', install: ['good'] });
      const pins = await apt.fetch(lock, memoryContent());
      expect(JSON.stringify(pins)).not.toContain('secret');
      expect(await apt.fetch(pins, memoryContent())).toEqual(pins);
      expect(asked).toContain('/./good.deb');
      const gone = await apt.solve({ status: '', install: ['gone'] });
      expect((await rejection(apt.fetch(gone, memoryContent()))).code).toBe('PACKAGE_GONE');
      const error = await rejection((await openAt('stranger', 'user:wrong-word@')).update());
      expect(`${error.message} ${error.cause} ${logged.join()}`).not.toMatch(/(?:secret|wrong)-word/);
      const kept = await stat(join(scratch, 'private', 'etc', 'sources.list.d', 'archive.sources'));
      expect(kept.mode & 0o077).toBe(0);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test('new indexes change the digest and delete stored locks', async () => {
    const apt = await open('moving', 'Trusted: yes');
    const before = await apt.update();
    expect(await apt.solve({ status: '', install: ['good'] })).toHaveLength(1);
    await writeFile(join(archive(), 'Packages'), stanza('good', '1:3.0-1', 'good bytes'));
    const after = await apt.update();
    expect(after.digest).not.toBe(before.digest);
    expect(await apt.solve({ status: '', install: ['good'] })).toMatchObject([{ version: '1:3.0-1' }]);
    expect(await readdir(join(scratch, 'moving', 'solves'))).toEqual([after.digest.slice(7)]);
  });

  test('an aborted call throws CANCELLED', async () => {
    const apt = await open('cancelled', 'Trusted: yes');
    const error = await rejection(apt.update({ signal: AbortSignal.abort() }));
    expect(error.code).toBe('CANCELLED');
  });
});

describe('the input and output of apt', () => {
  test.each([
    '-o=x',
    'nginx-',
    'nginx/stable',
    'nginx:',
    'nginx:amd64-',
    'nginx-:amd64',
    'nginx:AMD64',
    'a b',
    '',
    'Nginx',
    'n',
    'nginx=',
    'nginx=1=2',
    'nginx=1;x',
  ])('checkRequest rejects %j', (name) => {
    expect(() => checkRequest(['zlib1g', name])).toThrow(AptError);
  });

  test('checkRequest accepts names with architecture and version', () => {
    expect(() =>
      checkRequest([
        'curl:amd64',
        'g++:amd64=4:12.2.0-3',
        'g++',
        'libstdc++6',
        '7zip',
        'redis-server=5:7.0.15-1~deb12u7',
      ]),
    ).not.toThrow();
  });

  test('parseUris rejects a package without SHA-256, and its error contains no credentials', () => {
    const line = "'http://user:word@mirror.example/a_1_all.deb' a_1_all.deb 3 MD5Sum:00";
    expect(() => parseUris(line)).toThrow(/\/\/\*\*\*@mirror/);
    expect(redact('https://u:p@h/x')).toBe('https://***@h/x');
  });

  test('parsePolicy reads an installed version, and no candidate', () => {
    const output =
      'redis:\n  Installed: 1\n  Candidate: (none)\n  Version table:\n *** 1 100\n        100 /var/lib/dpkg/status\n     0.9 -1\n';
    expect(parsePolicy(output)).toEqual([{ name: 'redis', versions: ['1', '0.9'] }]);
  });
});
