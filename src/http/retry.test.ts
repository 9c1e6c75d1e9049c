// The retry of a failed pipeline over HTTP: Location, idempotency, rejection and audit trail.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failedPipelines, openTestEstates, type TestEstates } from '../../test/estate.ts';

let estates: TestEstates;
let failed = '';
let path = '';

beforeAll(async () => {
  estates = await openTestEstates();
  const { catalog, acme } = estates;
  failed = await failedPipelines(catalog, 'nginx')();
  path = `/larder/v1/catalogs/${acme['catalog_id']?.[0]}/pipelines/${failed}/retry`;
}, 60_000);
afterAll(() => estates.api.close());

test('201 once, the same answer under the same key, and 409 without a key', async () => {
  const { ask, acme } = estates.api;
  expect((await ask('POST', path, { token: acme.access.VIEWER })).statusCode).toBe(403);
  const token = acme.access.EDITOR;
  const headers = { 'idempotency-key': 'again' };
  const made = await ask('POST', path, { token, headers });
  expect([made.statusCode, made.body]).toEqual([201, '']);
  const location = String(made.headers['location']);
  expect((await ask('GET', location)).json()).toMatchObject({ status: 'IN_PROGRESS', retry_of_id: failed });
  const replay = await ask('POST', path, { token, headers });
  expect([replay.statusCode, replay.headers['location'], replay.headers['idempotent-replayed']]).toEqual([
    ...[201, location, 'true'],
  ]);
  const rejected = await ask('POST', path, { token });
  const id = location.split('/').at(-1);
  expect(rejected.json()).toMatchObject({
    status: 409,
    type: '/problems/not-retryable',
    detail: expect.stringContaining(`${id}`),
  });
  const { items } = (await ask('GET', '/larder/v1/audit-events?action=retryPipeline')).json();
  expect(items).toMatchObject([{ action: 'retryPipeline', subject_kind: 'pipeline', subject_id: id }]);
});
