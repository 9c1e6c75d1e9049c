// Waves and rebuilds over HTTP: creation, reading and rejections.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';

let estates: TestEstates;
let catalog = '';
let application = '';

beforeAll(async () => {
  estates = await openTestEstates();
  catalog = `/larder/v1/catalogs/${estates.acme['catalog_id']?.[0]}`;
  application = estates.acme['application_id']?.[0] ?? '';
}, 60_000);
afterAll(() => estates.api.close());

const rebuild = (body: object, path = `/applications/${application}/rebuild`) =>
  estates.api.ask('POST', `${catalog}${path}`, { body, token: estates.api.acme.access.EDITOR });

test('a rebuild is a wave with its pipelines and its creator', async () => {
  const made = await rebuild({ force: true });
  expect([made.statusCode, made.body]).toEqual([201, '']);
  const wave = (await estates.api.ask('GET', String(made.headers['location']))).json();
  expect(wave).toMatchObject({
    cause: 'REBUILD',
    created_by: 'jane',
    status: 'IN_PROGRESS',
    counts: { in_progress: 1, succeeded: 0, failed: 0, cancelled: 0 },
    pipelines: [{ application_id: application, status: 'IN_PROGRESS', needs: [], follows: [] }],
  });
  const pipeline = await estates.catalog.openPipeline(application);
  const shown = await estates.api.ask('GET', `/v1/catalogs/${estates.acme['catalog_id']?.[0]}/pipelines/${pipeline}`);
  expect(shown.json().wave_id).toBe(wave.id);
  const listed = (await estates.api.ask('GET', `${catalog}/waves?page_size=1`)).json();
  expect(listed.items).toMatchObject([{ id: wave.id, cause: 'REBUILD' }]);
  expect(listed.items[0].pipelines).toBeUndefined();
  expect(listed.total_size).toBeGreaterThan(1);
});

test('a rebuild of several applications is one wave; an unknown application rejects it as a whole', async () => {
  const before = (await estates.api.ask('GET', `${catalog}/waves`)).json().total_size;
  const foreign = estates.rival['application_id']?.[0] ?? '';
  const rejected = await rebuild({ application_ids: [application, foreign] }, '/applications/rebuild');
  expect(rejected.statusCode).toBe(400);
  expect(rejected.json().violations).toEqual([
    { field: 'application_ids[1]', message: `There is no application ${foreign}` },
  ]);
  expect((await rebuild({}, `/applications/${foreign}/rebuild`)).statusCode).toBe(404);
  expect((await rebuild({ application_ids: [] }, '/applications/rebuild')).statusCode).toBe(400);
  expect((await estates.api.ask('GET', `${catalog}/waves`)).json().total_size).toBe(before);
  const made = await rebuild({ application_ids: [application] }, '/applications/rebuild');
  expect(made.statusCode).toBe(201);
});

test("another organization's wave is a 404", async () => {
  const foreign = estates.rival['wave_id']?.[0];
  expect((await estates.api.ask('GET', `${catalog}/waves/${foreign}`)).statusCode).toBe(404);
});
