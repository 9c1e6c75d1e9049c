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
import { TRUSTED_ROOT } from '../src/contract/signing-key.ts';
import { createApiToken } from '../src/identity/api-tokens.ts';
import { listPublishedKeys } from '../src/identity/published-signing-keys.ts';
import { newReleaseKeyPair } from '../src/identity/release-key-pairs.ts';
import { distributePipeline } from '../src/jobs/distribute-pipeline.ts';
import { registerRegistryRoutes } from '../src/registry/routes.ts';
import { COSIGN_2, COSIGN_3, CRANE } from './clients.ts';
import { openTestDistribution, type TestDistribution } from './distribution.ts';
import { type DockerRegistry, startDockerRegistry } from './docker-registry.ts';
import { flipped, isVerifiedByOpenssl, readBundles, readTagged } from './signatures.ts';

const run = promisify(execFile);

const TEST_MS = 120_000;
const PATH = 'containers/debian-12/redis';

let catalog: TestDistribution;
let hosted: FastifyInstance;
/** A registry to which other clients copy. */
let mirror: DockerRegistry;
let folder: string;
let digest: string;
let publicKey: string;
/** References to the release, without the digest. */
let outside: string;
let inside: string;
let token: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'larder-cosign-'));
  catalog = await openTestDistribution();
  mirror = await startDockerRegistry();
  await catalog.baseMoves('first');
  await release(await catalog.addRegistry('outside'));
  const [key] = await listPublishedKeys(catalog.db, 'acme');
  publicKey = key?.public_key ?? '';
  writeFileSync(join(folder, 'key.pem'), publicKey);
  writeFileSync(join(folder, 'other.pem'), newReleaseKeyPair().public_key);
  writeFileSync(join(folder, 'trusted-root.json'), JSON.stringify(TRUSTED_ROOT));
  outside = `${catalog.docker.host}/team/${PATH}`;
  inside = `127.0.0.1:${await serveHosted()}/acme/${PATH}`;
}, TEST_MS);
afterAll(async () => {
  await hosted.close();
  await mirror.stop();
  await catalog.close();
  rmSync(folder, { recursive: true });
});

async function release(registry_id: string): Promise<void> {
  const registry_ids = [catalog.acme.registry_id, registry_id];
  const { application_ids } = await catalog.request(catalog.acme, ['redis'], { registry_ids });
  const pipeline_id = await catalog.openPipeline(application_ids[0] ?? '');
  digest = await catalog.build(pipeline_id);
  await catalog.clearJobs();
  const context = { id: 'x', attempt: 1, isLast: false, signal: new AbortController().signal };
  await distributePipeline(catalog.resources, { pipeline_id }, context);
}

async function serveHosted(): Promise<number> {
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
  return (hosted.server.address() as AddressInfo).port;
}

const tagOf = (ending: string) => `${digest.replace(':', '-')}${ending}`;

/** Runs `cosign verify`. It can reach only loopback addresses. */
async function verify(cosign: string, reference: string, more: string[] = [], key = 'key.pem') {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    HTTPS_PROXY: 'http://127.0.0.1:9',
    NO_PROXY: '127.0.0.1',
  };
  const offline = ['--insecure-ignore-tlog=true', '--trusted-root', join(folder, 'trusted-root.json')];
  const words = ['verify', '--key', join(folder, key), ...offline, ...more, `${reference}@${digest}`];
  const { stdout } = await run(cosign, words, { env, timeout: TEST_MS });
  return JSON.parse(stdout) as { critical: { image: Record<string, string> } }[];
}

const CLIENTS = [
  ['3', COSIGN_3],
  ['2', COSIGN_2],
] as const;

describe.each(CLIENTS)('cosign %s', { timeout: TEST_MS }, (_major, path) => {
  const cosign = path ?? '';
  const signed = [
    expect.objectContaining({
      critical: expect.objectContaining({ image: { 'docker-manifest-digest': expect.any(String) } }),
    }),
  ];

  test.skipIf(path === undefined)('verifies a release in docker-registry and in the hosted registry', async () => {
    expect(await verify(cosign, outside)).toEqual(signed);
    expect(await verify(cosign, inside, ['--registry-username', 'x', '--registry-password', token])).toEqual(signed);
  });

  test.skipIf(path === undefined)('rejects it with another key', async () => {
    await expect(verify(cosign, outside, [], 'other.pem')).rejects.toThrow(/signature|bundle|attestation/i);
  });

  test.skipIf(path === undefined)('verifies what skopeo copied by tag', async () => {
    const name = `${mirror.host}/skopeo-${_major}/redis`;
    await copyBySkopeo(name);
    expect(await verify(cosign, name)).toEqual(signed);
  });

  test.skipIf(path === undefined)('finds a flipped bit under the older tag', async () => {
    const name = `skopeo-flipped-${_major}/redis`;
    await copyBySkopeo(`${mirror.host}/${name}`);
    await flipTagged(name);
    await expect(verify(cosign, `${mirror.host}/${name}`)).rejects.toThrow(/signature/i);
  });
});

async function copyBySkopeo(name: string): Promise<void> {
  const plain = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false'];
  await run('skopeo', [...plain, '--all', `docker://${outside}:latest`, `docker://${name}:latest`]);
  const tag = tagOf('.sig');
  await run('skopeo', [...plain, `docker://${outside}:${tag}`, `docker://${name}:${tag}`]);
}

type SignatureManifest = { layers: [{ annotations: Record<string, string> }] };

/** Changes one bit of the signature under the older tag. */
async function flipTagged(name: string): Promise<void> {
  const url = `${mirror.url}/v2/${name}/manifests/${tagOf('.sig')}`;
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = (await (await fetch(url, { headers: { accept: type } })).json()) as SignatureManifest;
  const { annotations } = manifest.layers[0];
  const [annotation = ''] = Object.keys(annotations);
  annotations[annotation] = flipped(Buffer.from(annotations[annotation] ?? '', 'base64')).toString('base64');
  const put = await fetch(url, { method: 'PUT', headers: { 'content-type': type }, body: JSON.stringify(manifest) });
  expect(put.status).toBe(201);
}

describe('a copy in another registry', { timeout: TEST_MS }, () => {
  const at = (name: string) => ({ repository: `${mirror.url}/v2/${name}` });

  test('by skopeo has the same signature under the older tag', async () => {
    await copyBySkopeo(`${mirror.host}/copied/redis`);
    const signed = await readTagged(at('copied/redis'), digest);
    expect(signed.map((one) => isVerifiedByOpenssl(one, publicKey))).toEqual([true]);
    await flipTagged('copied/redis');
    const changed = await readTagged(at('copied/redis'), digest);
    expect(changed.map((one) => isVerifiedByOpenssl(one, publicKey))).toEqual([false]);
  });

  test.skipIf(CRANE === undefined)('by crane has both forms', async () => {
    for (const tag of ['latest', tagOf('.sig'), tagOf('')]) {
      await run(CRANE ?? '', ['copy', `${outside}:${tag}`, `${mirror.host}/craned/redis:${tag}`]);
    }
    const signed = [
      ...(await readTagged(at('craned/redis'), digest)),
      ...(await readBundles(at('craned/redis'), digest)),
    ];
    expect(signed.map((one) => isVerifiedByOpenssl(one, publicKey))).toEqual([true, true]);
  });
});
