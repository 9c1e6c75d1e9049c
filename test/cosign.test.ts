// cosign verifies releases, and copies that other clients made. It uses the published key, and no network except the
// registry.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Release } from '../src/contract/release.ts';
import { TRUSTED_ROOT } from '../src/contract/signing-key.ts';
import { createApiToken } from '../src/identity/api-tokens.ts';
import { listPublishedKeys } from '../src/identity/published-signing-keys.ts';
import { newReleaseKeyPair } from '../src/identity/release-key-pairs.ts';
import { registerRegistryRoutes } from '../src/registry/routes.ts';
import { type ChartDistribution, openChartDistribution } from './chart-distribution.ts';
import { COSIGN_2, COSIGN_3, CRANE, ORAS } from './clients.ts';
import { type DockerRegistry, startDockerRegistry } from './docker-registry.ts';
import { flipBundle, flipManifest, flipTagged } from './flipped-signatures.ts';
import { isVerifiedByOpenssl, readBundles, readTagged } from './signatures.ts';

const run = promisify(execFile);

const TEST_MS = 120_000;

let catalog: ChartDistribution;
let hosted: FastifyInstance;
/** A registry to which other clients copy. */
let mirror: DockerRegistry;
let folder: string;
let publicKey: string;
let token: string;
let releases: Release[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'larder-cosign-'));
  catalog = await openChartDistribution();
  mirror = await startDockerRegistry();
  const { chart, image } = await catalog.requestChart([catalog.acme.registry_id, await catalog.addRegistry('outside')]);
  await catalog.releaseImage(image);
  await catalog.runChart(chart);
  releases = [...(await catalog.releasesOf('CONTAINER_IMAGE')), ...(await catalog.releasesOf('HELM_CHART'))];
  const [key] = await listPublishedKeys(catalog.db, 'acme');
  publicKey = key?.public_key ?? '';
  writeFileSync(join(folder, 'key.pem'), publicKey);
  writeFileSync(join(folder, 'other.pem'), newReleaseKeyPair().public_key);
  writeFileSync(join(folder, 'trusted-root.json'), JSON.stringify(TRUSTED_ROOT));
  await serveHosted();
}, TEST_MS);
afterAll(async () => {
  await hosted.close();
  await mirror.stop();
  await catalog.close();
  rmSync(folder, { recursive: true });
});

async function serveHosted(): Promise<void> {
  const { pool, content, identity } = catalog.resources;
  hosted = Fastify();
  registerRegistryRoutes(hosted, { pool, content, identity });
  await hosted.listen({ host: '127.0.0.1', port: 0 });
  const { organization_id } = catalog.acme.principal;
  const row = { organization_id, name: 'puller', role: 'VIEWER' as const };
  const made = await catalog.write(async (tx) => {
    const { id } = await tx.insertInto('users').values(row).returning('id').executeTakeFirstOrThrow();
    return await createApiToken(tx, { organization_id, user_id: id }, { name: 'pull', role: 'VIEWER' });
  });
  token = made.secret;
}

type Kind = { kind: string; type: Release['packaging_type']; path: string };
const KINDS: Kind[] = [
  { kind: 'image', type: 'CONTAINER_IMAGE', path: 'containers/debian-12/redis' },
  { kind: 'chart', type: 'HELM_CHART', path: 'charts/debian-12/redis' },
];

/** Returns the digest and the tag of a release in one of its registries. Each registry has its own chart. */
function releaseIn({ type }: Kind, registry: 'outside' | 'Hosted registry') {
  const found = releases.find((one) => one.packaging_type === type && one.registry?.name === registry);
  const { repo_digest: digest = '', url = '' } = found?.artifact ?? {};
  return { digest, tag: url.slice(url.lastIndexOf(':') + 1) };
}

const outside = ({ path }: Kind) => `${catalog.docker.host}/team/${path}`;
const tagOf = (digest: string, ending: string) => `${digest.replace(':', '-')}${ending}`;

/** Runs `cosign verify`. It can reach only loopback addresses. */
async function verify(cosign: string, reference: string, more: string[] = [], key = 'key.pem') {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    HTTPS_PROXY: 'http://127.0.0.1:9',
    NO_PROXY: '127.0.0.1',
  };
  const offline = ['--insecure-ignore-tlog=true', '--trusted-root', join(folder, 'trusted-root.json')];
  const words = ['verify', '--key', join(folder, key), ...offline, ...more, reference];
  const { stdout } = await run(cosign, words, { env, timeout: TEST_MS });
  return JSON.parse(stdout) as { critical: { image: Record<string, string> } }[];
}

const CLIENTS = [
  { major: '3', path: COSIGN_3 },
  { major: '2', path: COSIGN_2 },
];
const NOT_VERIFIED = /signature|bundle|attestation/i;

const signs = (digest: string) => [
  expect.objectContaining({ critical: expect.objectContaining({ image: { 'docker-manifest-digest': digest } }) }),
];

describe.each(KINDS)('the released $kind', { timeout: TEST_MS }, (kind) => {
  for (const { major, path = '' } of CLIENTS) {
    test.skipIf(path === '')(`cosign ${major} verifies it in docker-registry and in the hosted registry`, async () => {
      const there = releaseIn(kind, 'outside').digest;
      expect(await verify(path, `${outside(kind)}@${there}`)).toEqual(signs(there));
      const here = releaseIn(kind, 'Hosted registry').digest;
      const { port } = hosted.server.address() as AddressInfo;
      const logIn = ['--registry-username', 'x', '--registry-password', token];
      expect(await verify(path, `127.0.0.1:${port}/acme/${kind.path}@${here}`, logIn)).toEqual(signs(here));
    });

    test.skipIf(path === '')(`cosign ${major} rejects it with another key`, async () => {
      const { digest } = releaseIn(kind, 'outside');
      await expect(verify(path, `${outside(kind)}@${digest}`, [], 'other.pem')).rejects.toThrow(NOT_VERIFIED);
    });
  }
});

type Copy = { from: string; to: string; tag: string; digest: string };
type Copier = {
  name: string;
  isThere: boolean;
  copy(copy: Copy): Promise<void>;
  /** Whether the copy has the signature under the older tag. */
  hasTag: boolean;
  /** Whether the copy has the signature as a bundle that refers to it. */
  hasBundle: boolean;
};

const COPIERS: Copier[] = [
  { name: 'skopeo copy --all', isThere: true, copy: copyBySkopeo, hasTag: true, hasBundle: false },
  { name: 'crane copy', isThere: CRANE !== undefined, copy: copyByCrane, hasTag: true, hasBundle: true },
  { name: 'oras cp -r', isThere: ORAS !== undefined, copy: copyByOras, hasTag: false, hasBundle: true },
];

async function copyBySkopeo({ from, to, tag, digest }: Copy): Promise<void> {
  const plain = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false'];
  for (const one of [tag, tagOf(digest, '.sig')]) {
    await run('skopeo', [...plain, '--all', `docker://${from}:${one}`, `docker://${to}:${one}`]);
  }
}

async function copyByCrane({ from, to, tag, digest }: Copy): Promise<void> {
  for (const one of [tag, tagOf(digest, '.sig'), tagOf(digest, '')]) {
    await run(CRANE ?? '', ['copy', `${from}:${one}`, `${to}:${one}`]);
  }
}

async function copyByOras({ from, to, tag }: Copy): Promise<void> {
  await run(ORAS ?? '', ['cp', '-r', '--from-plain-http', '--to-plain-http', `${from}:${tag}`, `${to}:${tag}`]);
}

describe.each(KINDS)('the $kind in another registry', { timeout: TEST_MS }, (kind) => {
  describe.each(COPIERS.filter(({ isThere }) => isThere))('after $name', ({ name, copy, hasTag, hasBundle }) => {
    const repository = `${name.split(' ')[0]}/${kind.path}`;
    let at: { repository: string };
    let copied: { digest: string; tag: string };
    beforeAll(async () => {
      copied = releaseIn(kind, 'outside');
      await copy({ from: outside(kind), to: `${mirror.host}/${repository}`, ...copied });
      at = { repository: `${mirror.url}/v2/${repository}` };
    }, TEST_MS);

    /** The number of verified signatures under the older tag and in bundles. */
    const verified = async () => {
      const found = [hasTag ? await readTagged(at, copied.digest) : [], await readBundles(at, copied.digest)];
      return found.map((form) => form.filter((one) => isVerifiedByOpenssl(one, publicKey)).length);
    };
    const verifyCopy = (cosign: string) => verify(cosign, `${mirror.host}/${repository}:${copied.tag}`);

    test('has the digest and the signature, which openssl verifies', async () => {
      const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
      const found = await fetch(`${at.repository}/manifests/${copied.tag}`, { method: 'HEAD', headers: { accept } });
      expect(found.headers.get('docker-content-digest')).toBe(copied.digest);
      expect(await verified()).toEqual([hasTag ? 1 : 0, hasBundle ? 1 : 0]);
    });

    for (const { major, path = '' } of CLIENTS) {
      test.skipIf(path === '')(`is verified by cosign ${major}`, async () => {
        expect(await verifyCopy(path)).toEqual(signs(copied.digest));
      });
    }

    test('is not verified after one bit of each signature changed', async () => {
      if (hasTag) await flipTagged(at.repository, copied.digest);
      if (hasBundle) await flipBundle(at.repository, copied.digest);
      expect(await verified()).toEqual([0, 0]);
      for (const { path } of CLIENTS.filter((one) => one.path !== undefined)) {
        await expect(verifyCopy(path ?? '')).rejects.toThrow(NOT_VERIFIED);
      }
    });

    test('is not verified after one letter of its manifest changed', async () => {
      await copy({ from: outside(kind), to: `${mirror.host}/again/${repository}`, ...copied });
      expect(await flipManifest(`${mirror.url}/v2/again/${repository}`, copied.tag)).not.toBe(copied.digest);
      for (const { path } of CLIENTS.filter((one) => one.path !== undefined)) {
        const changed = verify(path ?? '', `${mirror.host}/again/${repository}:${copied.tag}`);
        await expect(changed).rejects.toThrow(NOT_VERIFIED);
      }
    });
  });
});
