// Images that no worker could start: whether a catalog releases them, who decides this, and the field `verified` of a
// release.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf } from '../../test/catalog.ts';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';
import { recordRelease } from '../../test/record-release.ts';
import { sampleArtifact } from '../../test/stored-values.ts';
import { sampleWorker } from '../../test/worker-rows.ts';
import { forgetWorker, recordWorker } from '../catalog/workers.ts';
import { startPhase, succeedPhase } from '../pipelines/phases.ts';
import { reserveRevision } from '../pipelines/revisions.ts';

let estates: TestEstates;
let path = '';

beforeAll(async () => {
  estates = await openTestEstates();
  path = `/larder/v1/catalogs/${estates.acme['catalog_id']?.[0]}/settings`;
}, 60_000);
afterAll(() => estates.api.close());

async function settings(): Promise<unknown> {
  return (await estates.api.ask('GET', path, { token: estates.api.acme.access.VIEWER })).json();
}

test('are released by default until the installation has had a worker with a sandbox', async () => {
  expect(await settings()).toEqual({ unverified_images: 'DEFAULT', unverified_images_allowed: true });
  const { catalog } = estates;
  await catalog.write((tx) => recordWorker(tx, sampleWorker({ sandbox_mode: 'files-only', limits: null })));
  expect(await settings()).toMatchObject({ unverified_images_allowed: true });
  const able = sampleWorker();
  await catalog.write((tx) => recordWorker(tx, able));
  expect(await settings()).toMatchObject({ unverified_images_allowed: false });
  await catalog.write((tx) => forgetWorker(tx, able.id));
  expect(await settings()).toEqual({ unverified_images: 'DEFAULT', unverified_images_allowed: false });
});

test('are allowed or forbidden by an owner only', async () => {
  const { ask, acme, rival } = estates.api;
  const change = (body: object, token = acme.access.OWNER) => ask('PATCH', path, { token, body });
  expect((await change({ unverified_images: 'ALLOWED' }, acme.access.EDITOR)).statusCode).toBe(403);
  expect((await change({ unverified_images: 'ALLOWED' }, rival.access.OWNER)).statusCode).toBe(404);
  expect((await change({ unverified_images: 'MAYBE' })).json()).toMatchObject({
    violations: [{ field: 'unverified_images', message: 'It should be one of DEFAULT, ALLOWED, FORBIDDEN.' }],
  });
  expect((await change({ unverified_images: 'ALLOWED' })).statusCode).toBe(204);
  expect((await change({})).statusCode).toBe(204);
  expect(await settings()).toEqual({ unverified_images: 'ALLOWED', unverified_images_allowed: true });
  expect((await change({ unverified_images: 'FORBIDDEN' })).statusCode).toBe(204);
  expect(await settings()).toEqual({ unverified_images: 'FORBIDDEN', unverified_images_allowed: false });
  expect((await change({ unverified_images: 'DEFAULT' })).statusCode).toBe(204);
  expect(await settings()).toEqual({ unverified_images: 'DEFAULT', unverified_images_allowed: false });
  const { items } = (await ask('GET', '/larder/v1/audit-events?action=updateCatalogSettings')).json();
  expect(items[0]).toMatchObject({ subject_kind: 'catalog', changed_fields: ['unverified_images'] });
});

test('a release shows whether it was verified', async () => {
  const { catalog, api } = estates;
  const [application = ''] = (await catalog.request(catalog.acme, ['nginx'])).application_ids;
  const pipeline_id = await catalog.openPipeline(application);
  const { version, stack } = await catalog.plan(pipeline_id);
  await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact: sampleArtifact() }));
  await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'VERIFICATION', skipped: true }));
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'DISTRIBUTION' }));
  const place = { registry_id: catalog.acme.registry_id, repository: 'acme/containers/debian-12/nginx' };
  await catalog.write((tx) => reserveRevision(tx, { pipeline_id, version, repositories: [place] }));
  const digests = { content_digest: digestOf('config'), repo_digest: digestOf('index') };
  const pushed = { ...place, ...digests, artifact_name: 'nginx', artifact_version: version };
  const recorded = { pipeline_id, pushed: [pushed], metadata: [], customizations: stack, contents: [] };
  const { release_ids } = await catalog.write((tx) => recordRelease(tx, recorded));
  const of = (id: unknown) => `/v1/catalogs/${catalog.acme.catalog_id}/releases/${id}`;
  expect((await api.ask('GET', of(release_ids[0]))).json()).toMatchObject({ verified: false });
  expect((await api.ask('GET', of(estates.acme['release_id']?.[0]))).json()).toMatchObject({ verified: true });
});
