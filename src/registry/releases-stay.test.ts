// An owner with a token of scope REGISTRY tries to delete or overwrite a release. The release must stay.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { catalogOver, type TestCatalog, type TestOrganization } from '../../test/catalog.ts';
import { digestOf, openTestRegistry, type TestImage, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { digestAt, errorOf, indexOf, pushBeforeReserved, pushRelease } from '../../test/registry-release.ts';
import { ensureDefaultCatalog, ensureHostedRegistry, followPublicUrl } from '../catalog/initial-rows.ts';
import { addUses, findUnusedContent } from '../content/content-uses.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import { createApiToken } from '../identity/api-tokens.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;
let client: TestClient;
let catalog: TestCatalog;

async function organizationOf(namespace: 'acme' | 'rival'): Promise<TestOrganization> {
  const { id } = registry[namespace];
  return await inTransaction(registry.database.db, async (tx) => ({
    principal: { organization_id: id, name: `${namespace}-owner` },
    catalog_id: (await ensureDefaultCatalog(tx, id)).id,
    registry_id: (await ensureHostedRegistry(tx, id, 'http://127.0.0.1:8080/')).id,
    namespace,
  }));
}

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
  catalog = await catalogOver(registry.database, organizationOf);
  await catalog.baseMoves('first');
});
afterAll(() => registry.close());

async function ownerToken(): Promise<string> {
  const { db } = registry.database;
  const organization_id = registry.acme.id;
  const { id: user_id } = await db
    .selectFrom('users')
    .select('id')
    .where('organization_id', '=', organization_id)
    .executeTakeFirstOrThrow();
  const given = { name: 'push', role: 'OWNER', scopes: ['REGISTRY'] } as const;
  return (await inTransaction(db, (tx) => createApiToken(tx, { organization_id, user_id }, given))).secret;
}

type Release = { name: string; tag: string; repo_digest: string; contents: Digest[] };

/** Pushes an image and records its release, like the last job of a pipeline. */
async function release(product: string, image: TestImage): Promise<Release> {
  const { application_ids } = await catalog.request(catalog.acme, [product]);
  const pipeline = await catalog.openPipeline(application_ids[0] ?? '');
  const name = `acme/containers/debian-12/${product}`;
  const tag = `${product === 'redis' ? '7.0.15' : '1.22.1'}-debian-12-r0`;
  await pushRelease(registry, { name, image, tags: [tag, 'latest'] });
  await catalog.finish(pipeline);
  const index = digestOf(indexOf(image));
  const contents = [index, image.digest, digestOf(image.config), digestOf(image.layer)];
  await catalog.write((tx) => addUses(tx, { kind: 'release', id: pipeline }, contents));
  const { rows } = await registry.database.pool.query(
    'update releases set repo_digest = $1 where pipeline_id = $2 returning repository, artifact_name, artifact_version',
    [index, pipeline],
  );
  expect(rows).toEqual([
    { repository: '127.0.0.1:8080/acme/containers/debian-12', artifact_name: product, artifact_version: tag },
  ]);
  return { name, tag, repo_digest: index, contents };
}

/** Pulls a whole image by the digest of its index. */
async function pull(name: string, image: TestImage): Promise<void> {
  const text = async (path: string) => await (await client.call('GET', `/v2/${name}/${path}`)).text();
  expect(await text(`manifests/${digestOf(indexOf(image))}`)).toBe(indexOf(image));
  expect(await text(`manifests/${image.digest}`)).toBe(image.manifest);
  expect(await text(`blobs/${digestOf(image.config)}`)).toBe(image.config);
  expect(await text(`blobs/${digestOf(image.layer)}`)).toBe(image.layer.toString());
}

test('an owner cannot delete or overwrite a version', async () => {
  const [image, own] = [testImage('released'), testImage('own')];
  const { name, tag, repo_digest, contents } = await release('redis', image);
  const token = await ownerToken();
  await client.pushImage('acme/own/redis', 'latest', own, { token });
  for (const bytes of [own.config, own.layer]) await client.pushBlob(name, bytes, { token });
  const put = (reference: string) =>
    client.call('PUT', `/v2/${name}/manifests/${reference}`, {
      ...{ token, body: own.manifest, headers: { 'content-type': MEDIA_TYPES.manifest } },
    });
  const remove = (path: string) => client.call('DELETE', `/v2/${name}/${path}`, { token });
  const mount = `mount=${digestOf(own.layer)}&from=acme/own/redis`;
  const attempts: [string, () => Promise<Response>][] = [
    ['delete the tag', () => remove(`manifests/${tag}`)],
    ['delete latest', () => remove('manifests/latest')],
    ['delete the index', () => remove(`manifests/${repo_digest}`)],
    ['delete the manifest', () => remove(`manifests/${image.digest}`)],
    ['delete the layer', () => remove(`blobs/${digestOf(image.layer)}`)],
    ['push over the tag', () => put(tag)],
    ['push latest', () => put('latest')],
    ['push the next revision', () => put(tag.replace(/0$/, '1'))],
    ['push by digest', () => put(own.digest)],
    ['mount', () => client.call('POST', `/v2/${name}/blobs/uploads/?${mount}`, { token })],
  ];
  const tryAll = async () => {
    for (const [what, attempt] of attempts) {
      const { status, code, message } = await errorOf(await attempt());
      expect([what, status, code]).toEqual([what, 403, 'DENIED']);
      expect(message).toContain('belongs to Larder');
    }
  };

  await tryAll();
  for (const reference of [tag, 'latest']) expect(await digestAt(client, name, reference)).toBe(repo_digest);
  await pull(name, image);

  // Releases stay in each of these cases: without tags (earlier versions let clients delete them), without the application,
  // and after a change of the service's address.
  const { pool } = registry.database;
  await pool.query('delete from repository_tags t using repositories r where r.id = t.repository_id and r.name = $1', [
    name,
  ]);
  await pool.query(`update applications set removed_at = now(), status = 'REMOVED' where organization_id = $1`, [
    registry.acme.id,
  ]);
  await catalog.write((tx) => followPublicUrl(tx, 'https://larder.example'));
  await tryAll();
  await pull(name, image);
  expect(await findUnusedContent(registry.database.db, contents)).toEqual([]);
});

test('a release claims the repository that it names, even if a client pushed there before', async () => {
  const own = testImage('squatter');
  const name = 'acme/containers/debian-12/nginx';
  await pushBeforeReserved(registry, client, { name, tag: 'latest', image: own });
  const { application_ids } = await catalog.request(catalog.acme, ['nginx']);
  await catalog.finish(await catalog.openPipeline(application_ids[0] ?? ''));
  const rejected = await client.putManifest(name, 'latest', own.manifest);
  expect([rejected.status, await codeOf(rejected)]).toEqual([403, 'DENIED']);
  expect((await client.call('DELETE', `/v2/${name}/manifests/latest`)).status).toBe(403);
});

test("a release claims no other organization's repository", async () => {
  // The releases of rival also have paths in acme's namespace, because the test catalog uses one namespace.
  const { application_ids } = await catalog.request(catalog.rival, ['postgresql']);
  await catalog.finish(await catalog.openPipeline(application_ids[0] ?? ''));
  const { rows } = await registry.database.pool.query('select name from repositories where name = $1', [
    'acme/containers/debian-12/postgresql',
  ]);
  expect(rows).toEqual([]);
});

test('the migration claims the repositories of releases and base images, and no others', async () => {
  const { pool } = registry.database;
  const names = ['acme/containers/debian-12/nginx', 'acme/containers/debian-12/redis', 'acme/own/redis', 'base/debian'];
  await pushRelease(registry, { name: 'base/debian', image: testImage('base'), tags: ['12'], organization_id: null });
  await pool.query(`update repositories set larder_since = null`);
  const path = new URL('../../migrations/0020_larders_repositories.sql', import.meta.url);
  const migration = readFileSync(path, 'utf8');
  await pool.query(migration.slice(migration.lastIndexOf('insert into repositories')));
  const { rows } = await pool.query(
    'select name from repositories where larder_since is not null and name = any($1) order by name',
    [names],
  );
  expect(rows.map((row) => row.name)).toEqual(names.filter((name) => name !== 'acme/own/redis'));
});
