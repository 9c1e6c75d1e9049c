// Releases are signed in every registry, in both forms that cosign reads. A retry, another registry or another key adds only
// the missing signatures.
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestDistribution, type TestDistribution } from '../../test/distribution.ts';
import { basic } from '../../test/registry.ts';
import { flipped, isVerifiedByOpenssl, readBundles, readTagged, type Signed } from '../../test/signatures.ts';
import { createApiToken } from '../identity/api-tokens.ts';
import type { Principal } from '../identity/principal.ts';
import { listPublishedKeys } from '../identity/published-signing-keys.ts';
import { newReleaseKeyPair } from '../identity/release-key-pairs.ts';
import { createSigningKey, openSigners } from '../identity/release-signing-keys.ts';
import { signerOf } from '../identity/signer.ts';
import { describeBytes, once } from '../oci/manifest.ts';
import { openRegistry } from '../oci/remote/remote-repository.ts';
import { registerRegistryRoutes } from '../registry/routes.ts';
import { distributePipeline } from './distribute-pipeline.ts';
import { addToSignatureTag, putBundles } from './sign-artifact.ts';

const TEST_MS = 120_000;
const REPOSITORY = 'containers/debian-12/redis';

let catalog: TestDistribution;
let outside: string;
let hosted: FastifyInstance;

beforeEach(async () => {
  catalog = await openTestDistribution();
  await catalog.baseMoves('first');
  outside = await catalog.addRegistry('outside');
  const { pool, content, identity } = catalog.resources;
  hosted = Fastify();
  registerRegistryRoutes(hosted, { pool, content, identity });
  await hosted.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await hosted.close();
  await catalog.close();
});

const context = { id: 'x', attempt: 1, isLast: false, signal: new AbortController().signal };

/** Requests an application in both registries and builds its first pipeline. */
async function requestBuilt(): Promise<{ pipeline: string; digest: string }> {
  const { application_ids } = await catalog.request(catalog.acme, ['redis'], {
    registry_ids: [catalog.acme.registry_id, outside],
  });
  const pipeline = await catalog.openPipeline(application_ids[0] ?? '');
  const digest = await catalog.build(pipeline);
  await catalog.clearJobs();
  return { pipeline, digest };
}

const distribute = (pipeline_id: string) => distributePipeline(catalog.resources, { pipeline_id }, context);
const there = () => ({ repository: `${catalog.docker.url}/v2/team/${REPOSITORY}` });

/** Opens the application's repository in the hosted registry, with a token that may pull. */
async function here() {
  const { organization_id, user_id } = await makeOwner();
  const token = await catalog.write((tx) =>
    createApiToken(tx, { organization_id, user_id }, { name: 'pull', role: 'VIEWER' }),
  );
  const { port } = hosted.server.address() as AddressInfo;
  return { repository: `http://127.0.0.1:${port}/v2/acme/${REPOSITORY}`, headers: basic(token.secret) };
}

async function makeOwner(): Promise<Principal> {
  const { organization_id } = catalog.acme.principal;
  const row = { organization_id, name: `owner ${Math.random()}`, role: 'OWNER' as const };
  const { id } = await catalog.write((tx) =>
    tx.insertInto('users').values(row).returning('id').executeTakeFirstOrThrow(),
  );
  return { organization_id, user_id: id, name: row.name, role: row.role };
}

const publicKeys = () => listPublishedKeys(catalog.db, 'acme');

async function rotate(overlap_days: number): Promise<void> {
  const owner = await makeOwner();
  await catalog.write((tx) => createSigningKey(tx, owner, { overlap_days }, catalog.resources.identity));
}

/** Returns, for each key, how many of the signatures the key verifies. */
function verifiedBy(signed: readonly Signed[], keys: readonly { public_key: string }[]): number[] {
  return keys.map(({ public_key }) => signed.filter((one) => isVerifiedByOpenssl(one, public_key)).length);
}

describe('a release', { timeout: TEST_MS }, () => {
  test('is signed in both forms in both registries, and names the key; openssl verifies, and finds a flipped bit', async () => {
    const { pipeline, digest } = await requestBuilt();
    await distribute(pipeline);
    const keys = await publicKeys();
    const [key] = keys;
    for (const at of [there(), await here()]) {
      const tagged = await readTagged(at, digest);
      expect(verifiedBy(tagged, keys)).toEqual([1]);
      expect(tagged.map(({ payload }) => payload.critical)).toEqual([
        expect.objectContaining({
          image: { 'docker-manifest-digest': digest },
          type: 'cosign container image signature',
        }),
      ]);
      const bundles = await readBundles(at, digest);
      expect(verifiedBy(bundles, keys)).toEqual([1]);
      const [bundle] = bundles;
      expect(bundle?.statement.subject).toEqual([{ digest: { sha256: digest.slice(7) }, annotations: {} }]);
      expect(bundle?.statement.predicateType).toBe('https://sigstore.dev/cosign/sign/v1');
      expect(Buffer.from(bundle?.hint ?? '', 'base64').toString('hex')).toBe(key?.id);
      expect(bundle?.manifest).toMatchObject({
        artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
        subject: { digest },
        annotations: { 'dev.sigstore.bundle.content': 'dsse-envelope' },
      });
      for (const { bytes, signature } of [...tagged, ...bundles]) {
        expect(isVerifiedByOpenssl({ bytes: flipped(bytes), signature }, key?.public_key ?? '')).toBe(false);
        expect(isVerifiedByOpenssl({ bytes, signature: flipped(signature) }, key?.public_key ?? '')).toBe(false);
      }
    }
    const signing_keys = [{ id: key?.id, public_key_url: `/signing-keys/acme/${key?.id}.pem` }];
    expect((await catalog.releases()).map((release) => release.signing_keys)).toEqual([signing_keys, signing_keys]);
  });

  test('has the name of its repository in each registry in the older form', async () => {
    const { pipeline, digest } = await requestBuilt();
    await distribute(pipeline);
    const [outsideOne] = await readTagged(there(), digest);
    expect(outsideOne?.payload.critical['identity']).toEqual({
      'docker-reference': `${catalog.proxy.url.replace('http://', '')}/team/${REPOSITORY}`,
    });
    const [hostedOne] = await readTagged(await here(), digest);
    expect(hostedOne?.payload.critical['identity']).toEqual({
      'docker-reference': `127.0.0.1:8080/acme/${REPOSITORY}`,
    });
  });

  test('is signed before its moving tags name it, and once, however often its distribution is tried', async () => {
    const { pipeline, digest } = await requestBuilt();
    catalog.proxy.fault = ({ method, url }) =>
      method === 'PUT' && url?.endsWith('/manifests/latest') ? { status: 503 } : undefined;
    await distribute(pipeline);
    expect(await catalog.outside(`team/${REPOSITORY}`, 'latest')).toBeNull();
    const first = [await readTagged(there(), digest), await readBundles(there(), digest)];
    catalog.proxy.fault = () => undefined;
    await distribute(pipeline);
    expect(await catalog.outside(`team/${REPOSITORY}`, 'latest')).toBe(digest);
    expect([await readTagged(there(), digest), await readBundles(there(), digest)]).toEqual(first);
    expect(first.map(({ length }) => length)).toEqual([1, 1]);
    // The statement in the bundle is signed once for both registries. The payload of the older form contains the registry, so
    // each registry has its own.
    const { rows } = await catalog.pool.query('select count(*)::int as total from release_signatures');
    expect(rows[0].total).toBe(3);
  });

  test('after a rotation is signed with both keys until the overlap ends', async () => {
    await openSigners(catalog.db, catalog.acme.principal.organization_id, catalog.resources.identity);
    await rotate(30);
    const { pipeline, digest } = await requestBuilt();
    await distribute(pipeline);
    const keys = await publicKeys();
    expect(keys.map(({ status }) => status)).toEqual(['CURRENT', 'OVERLAPPING']);
    for (const at of [there(), await here()]) {
      expect(verifiedBy(await readTagged(at, digest), keys)).toEqual([1, 1]);
      expect(verifiedBy(await readBundles(at, digest), keys)).toEqual([1, 1]);
    }
    const [release] = await catalog.releases();
    expect(release?.signing_keys?.map(({ id }) => id)).toEqual(keys.map(({ id }) => id));
  });

  test('is not recorded in a registry that takes no signature', async () => {
    const { pipeline } = await requestBuilt();
    catalog.proxy.fault = ({ method, url }) =>
      method === 'PUT' && url?.endsWith('.sig') ? { status: 403 } : undefined;
    await distribute(pipeline);
    expect((await catalog.releases()).map(({ registry }) => registry?.name)).toEqual(['Hosted registry']);
    expect((await catalog.pipeline(pipeline)).distributions).toContainEqual(
      expect.objectContaining({ registry_name: 'outside', status: 'FAILED' }),
    );
  });
});

describe('signatures under the older tag', { timeout: TEST_MS }, () => {
  const name = 'registry.example.com/team/image';
  const { signal } = context;

  async function open() {
    const { egress, identity } = catalog.resources;
    const { organization_id } = catalog.acme.principal;
    const target = openRegistry({ url: catalog.docker.url, egress }).repository('team/image');
    const subject = describeBytes('application/vnd.oci.image.index.v1+json', Buffer.from('any image'));
    const signers = await openSigners(catalog.db, organization_id, identity);
    return { tagged: { target, subject, name, signal }, signing: { organization_id, signers } };
  }

  const at = () => ({ repository: `${catalog.docker.url}/v2/team/image` });

  test('of others stay, and ours are added once, also by workers at the same time', async () => {
    const { tagged, signing } = await open();
    const { id, private_key, public_key } = newReleaseKeyPair();
    // Signs the same image as a client of the organization would, with a key that Larder does not have.
    const foreign = { ...signerOf(id, private_key), key_id: signing.signers[0]?.key_id ?? '' };
    const theirs = { ...tagged, name: 'elsewhere/image' };
    await addToSignatureTag(catalog.resources, { ...signing, signers: [foreign] }, theirs);
    const [first] = await readTagged(at(), tagged.subject.digest);
    await catalog.content.delete(describeBytes('', first?.bytes ?? Buffer.of()).digest);
    await Promise.all(Array.from({ length: 4 }, () => addToSignatureTag(catalog.resources, signing, tagged)));
    const all = await readTagged(at(), tagged.subject.digest);
    expect(all).toHaveLength(2);
    expect(verifiedBy(all, [...(await publicKeys()), { public_key }])).toEqual([1, 1]);
  });

  test('of a replaced key stay when the image is signed again with the current one', async () => {
    const { tagged, signing } = await open();
    await addToSignatureTag(catalog.resources, signing, tagged);
    await rotate(0);
    const { tagged: again, signing: current } = await open();
    await addToSignatureTag(catalog.resources, current, again);
    await addToSignatureTag(catalog.resources, current, again);
    const all = await readTagged(at(), tagged.subject.digest);
    expect(verifiedBy(all, await publicKeys())).toEqual([1, 1]);
    expect(all).toHaveLength(2);
  });

  test('replace whatever else has the tag', async () => {
    const { tagged, signing } = await open();
    const index = Buffer.from(
      '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    );
    const descriptor = describeBytes('application/vnd.oci.image.index.v1+json', index);
    const tag = `${tagged.subject.digest.replace(':', '-')}.sig`;
    await tagged.target.push(descriptor, async () => once(index));
    await tagged.target.tag(descriptor, tag);
    await addToSignatureTag(catalog.resources, signing, tagged);
    expect(await readTagged(at(), tagged.subject.digest)).toHaveLength(1);
  });

  test('and bundles are the same bytes each time', async () => {
    const { tagged, signing } = await open();
    const first = await putBundles(catalog.resources, signing, tagged.subject);
    expect(await putBundles(catalog.resources, signing, tagged.subject)).toEqual(first);
  });
});
