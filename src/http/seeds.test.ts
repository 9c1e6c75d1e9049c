// Compares answers over HTTP with the published examples, field by field in both directions. Also follows every link.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, library } from '../../test/catalog.ts';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';
import { packed, rootfs } from '../../test/fixtures/customization.ts';
import { formOf } from '../../test/multipart.ts';
import { moveLifeCycles } from '../catalog/life-cycle.ts';
import { recordRegistryHealth } from '../catalog/registry-checks.ts';
import type { CatalogApplicationRequest } from '../contract/application-request.ts';
import type { CustomizationDetailedPage } from '../contract/customization.ts';
import type { Release } from '../contract/release.ts';
import { recordDiscovery } from '../pipelines/discovery.ts';
import { failPhase, startPhase } from '../pipelines/phases.ts';

/** Names and types of the fields, by document. `a[].b` is the field b of the items of a. */
const seeds = JSON.parse(
  readFileSync(new URL('../../test/fixtures/seed-fields.json', import.meta.url), 'utf8'),
) as Record<string, Record<string, string>>;

/**
 * These fields are absent unless a request expands relationships. The list of customizations has no parameter to expand them.
 */
const NOT_EMBEDDED = /_releases\[\](\.release)?\.(dependencies|dependants)\[\]$/;

/** Fields of answers that the published examples lack, but that the published reference contains elsewhere. */
const PUBLISHED_ELSEWHERE: Record<string, RegExp[]> = {
  CustomizationDetailedPage: [
    // The examples of embedded releases are older than the example of a release. Only the newer example has these fields.
    /_releases\[\](\.release)?\.(artifact\.|end_of_life_at$|trial$|pipeline_id$|_links\.pipeline\.href$)/,
    /_releases\[\](\.release)?\.product\.(based_on_scratch|latest_free)$/,
    /_releases\[\](\.release)?\.base_image\.(healthy|last_checked_at)$/,
  ],
  // The older reference contains this field in a release, and the example of a customization shows it.
  Release: [/^supports_customizations$/],
};

/** Fields that exist only in Larder. */
const OURS: Record<string, RegExp[]> = {
  CatalogApplicationRequest: [/^waiting\[\]\./],
  CustomizationDetailedPage: [
    /^items\[\]\.(warnings\[\]\.(code|message|path)|more_warnings_count)$/,
    /_releases\[\](\.release)?\.verified$/,
  ],
  Release: [/^verified$/],
};

let estates: TestEstates;
let url: string;
let catalog: string;
let expanded: Release;
let added: CatalogApplicationRequest;
let customizations: CustomizationDetailedPage;

type Sent = string | Uint8Array<ArrayBuffer>;

async function ask(path: string, init: { method?: string; body?: Sent; headers?: object } = {}): Promise<Response> {
  const authorization = `Bearer ${estates.api.acme.access.OWNER}`;
  return await fetch(url + path, { ...init, headers: { authorization, ...init.headers } });
}

async function read<T>(path: string): Promise<T> {
  const answer = await ask(path);
  expect([path, answer.status]).toEqual([path, 200]);
  return (await answer.json()) as T;
}

/** Sends a POST, expects a 201 without a body, and returns the path of the created resource. */
async function make(path: string, init: { body: Sent; headers: object }): Promise<string> {
  const made = await ask(path, { method: 'POST', ...init });
  expect([path, made.status, await made.text()]).toEqual([path, 201, '']);
  return made.headers.get('location') ?? '';
}

const makeRequest = (body: object) =>
  make(`${catalog}/application-requests`, {
    body: JSON.stringify({ name: 'databases', description: 'For the shop', ...body }),
    headers: { 'content-type': 'application/json' },
  });

async function customize(product_key: string, branch: string): Promise<string> {
  const archive = await packed([rootfs('etc/motd', { content: `for ${product_key}` })]);
  const filter = { product_key, branch, base_image_id: estates.catalog.base };
  const { body, headers } = formOf(
    { name: 'name', content: `ours for ${product_key}` },
    { name: 'description', content: 'What our organization wants' },
    { name: 'filter', content: JSON.stringify(filter), type: 'application/json' },
    { name: 'file', content: archive, filename: 'ours.tar.gz' },
  );
  return await make(`${catalog}/customizations`, { body: new Uint8Array(body), headers });
}

async function finishAll(application: string): Promise<void> {
  for (const pipeline of await estates.catalog.openPipelines(application)) await estates.catalog.finish(pipeline);
}

async function fail(application: string): Promise<void> {
  const pipeline_id = await estates.catalog.openPipeline(application);
  const files = [{ digest: digestOf(`log of ${pipeline_id}`), size: 9, mime_type: 'build_log', filename: 'build.log' }];
  const failed = { pipeline_id, phase: 'PACKAGING', cause: 'CUSTOMIZATION_BUILD_ERROR', message: 'no', files } as const;
  await estates.catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'PACKAGING' }));
  await estates.catalog.write((tx) => failPhase(tx, failed));
}

/**
 * Makes each release depend on the next release, and the last one on the first. In the same way, the release of a chart
 * depends on releases of images.
 */
async function relate(ids: string[]): Promise<void> {
  for (const [index, id] of ids.entries()) {
    const values = [id, ids[(index + 1) % ids.length]];
    await estates.catalog.pool.query('insert into release_edges (release_id, depends_on_id) values ($1, $2)', values);
  }
}

/** Returns the library in which PostgreSQL 15 is past its end of life. */
function withEnd() {
  return library().map((product) => ({
    ...product,
    recipe: {
      ...product.recipe,
      ...(product.recipe.key === 'postgresql' && { life_cycle: [{ branch: '15', end_of_life: '2020-01-31' }] }),
    },
  }));
}

beforeAll(async () => {
  estates = await openTestEstates();
  const { api, catalog: rows, acme } = estates;
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
  catalog = `/v1/catalogs/${acme['catalog_id']?.[0]}`;
  const registry = acme['registry_id']?.at(-1) ?? '';
  await rows.write((tx) => recordRegistryHealth(tx, { registry_id: registry }));
  const request = await makeRequest({
    kind: 'CREATION',
    application_offering_ids: ['postgresql', 'nginx'].map((key) => rows.offerings.get(key)),
    base_image_id: rows.base,
    registry_ids: [registry],
  });
  const ids = (await read<CatalogApplicationRequest>(request)).applications.map(({ id }) => id);
  const [postgresql = '', nginx = ''] = ids;
  const redis = acme['application_id']?.[0] ?? '';
  // All three applications get the customization, because the organization applies it to all applications.
  for (const application of [postgresql, nginx, redis]) await finishAll(application);
  const taken = await customize('postgresql', '15');
  expect((await ask(taken, { method: 'DELETE' })).status).toBe(204);
  // Without the customization, the plan is the same as the plan of the existing release.
  await rows.plan(await rows.openPipeline(postgresql));
  await customize('postgresql', '15');
  await finishAll(postgresql);
  await customize('nginx', '1.22');
  await fail(nginx);
  await customize('redis', '7.0');
  const newest = async (application: string) => {
    const { items } = await read<{ items: Release[] }>(`${catalog}/releases?application_id=${application}`);
    return items[0]?.id ?? '';
  };
  const releases = await Promise.all([postgresql, nginx, redis].map(newest));
  await relate(releases);
  customizations = await read(`${catalog}/customizations?page_size=5`);
  await rows.write((tx) => recordDiscovery(tx, withEnd()));
  await rows.write((tx) => moveLifeCycles(tx));
  await makeRequest({ kind: 'DELETION', application_ids: [postgresql] });
  expanded = await read(`${catalog}/releases/${releases[0]}?expand_relationships=true`);
  added = await read(request);
}, 180_000);
afterAll(() => estates.api.close());

/** Returns the fields of an answer with their types, in the format of the fixture. */
function fieldsOf(value: unknown, path = ''): [string, string][] {
  if (Array.isArray(value)) {
    if (/(^|\.)(dependencies|dependants)$/.test(path) && !path.includes('_links')) return [[`${path}[]`, 'release']];
    return value.flatMap((item) => fieldsOf(item, `${path}[]`));
  }
  if (typeof value !== 'object' || value === null) return [[path, typeOf(value)]];
  return Object.entries(value).flatMap(([name, field]) => fieldsOf(field, path === '' ? name : `${path}.${name}`));
}

function typeOf(value: unknown): string {
  if (typeof value === 'string') return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) ? 'date-time' : 'string';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function compare(name: string, answer: unknown): void {
  const wanted = Object.fromEntries(Object.entries(seeds[name] ?? {}).filter(([path]) => !NOT_EMBEDDED.test(path)));
  const elsewhere = [...(PUBLISHED_ELSEWHERE[name] ?? []), ...(OURS[name] ?? [])];
  const shown = fieldsOf(answer).filter(([path]) => path in wanted || !elsewhere.some((one) => one.test(path)));
  // Compares lines of text, so that a difference shows the name of the field.
  const lines = (fields: [string, string][]) => [...new Set(fields.map(([path, type]) => `${path}: ${type}`))].sort();
  expect(lines(shown)).toEqual(lines(Object.entries(wanted)));
}

describe('has the fields of the published example and no others', () => {
  test('a page of customizations', () => compare('CustomizationDetailedPage', customizations));
  test('a release with its relationships', () => compare('Release', expanded));
  test('an application request', () => compare('CatalogApplicationRequest', added));

  test('a rejected customization', async () => {
    const { body, headers } = formOf({ name: 'name', content: 'without a file' });
    const answer = await ask(`${catalog}/customizations`, { method: 'POST', body: new Uint8Array(body), headers });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'application/problem+json']);
    const { instance, ...problem } = (await answer.json()) as Record<string, unknown>;
    expect(instance).toBe(`${catalog}/customizations`);
    compare('ConstraintsViolationsError', problem);
  });

  test('a 404', async () => {
    for (const path of ['releases/0123456789abcdef01234567', 'application-requests/x']) {
      const answer = await ask(`${catalog}/${path}`);
      expect(answer.status).toBe(404);
      compare('Error', await answer.json());
    }
  });
});

describe('the answers', () => {
  test('have the statuses of the state machines', () => {
    expect(added).toMatchObject({ request_type: 'add', status: 'COMPLETED', description: 'For the shop' });
    const [postgresql, nginx] = added.applications;
    expect([postgresql?.status, nginx?.status]).toEqual(['REMOVED', 'SUPPORTED']);
    expect(customizations.items.map(({ status }) => status)).toEqual([
      'CREATED',
      'PROCESSING_CREATE_FAILED',
      'PROCESSING_CREATE_SUCCEEDED',
      'PROCESSING_DELETE_SUCCEEDED',
      // One application of this customization waits for a base image that cannot be read.
      'PROCESSING_CREATE_STARTED',
    ]);
  });

  test('omit fields that do not apply', () => {
    expect(JSON.stringify([customizations, expanded, added])).not.toContain('null');
  });

  test('contain only links and file URLs that work', async () => {
    const paths = new Set<string>();
    JSON.stringify([customizations, expanded, added], (name, value) => {
      const isFile = (name === 'url' || name === 'source_url') && String(value).startsWith('/v1/');
      if (name === 'href' || isFile) paths.add(String(value));
      return value;
    });
    expect(paths.size).toBeGreaterThan(30);
    for (const path of paths) expect([path, (await ask(path)).status]).toEqual([path, 200]);
  });
});
