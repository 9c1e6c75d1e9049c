// Subscriptions, and quotas, also with concurrent requests.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';

let estates: TestEstates;
beforeAll(async () => {
  estates = await openTestEstates();
}, 120_000);
afterAll(() => estates.api.close());

const change = (statement: string, values: unknown[]) => estates.api.database.pool.query(statement, values);
const setQuota = (max: number | null) =>
  change('update organizations set applications_max = $2 where id = $1', [estates.api.acme.id, max]);

function request(product: string) {
  const { api, catalog } = estates;
  return api.ask('POST', `/v1/catalogs/${api.acme.catalog_id}/application-requests`, {
    body: {
      ...{ kind: 'CREATION', name: product, base_image_id: catalog.base },
      application_offering_ids: [catalog.offerings.get(product)],
    },
  });
}

test('without a limit no quota is shown', async () => {
  const { statusCode, body } = await estates.api.ask('GET', '/v1/quotas');
  expect([statusCode, body]).toEqual([200, '{}']);
});

test('concurrent requests do not exceed a quota; the rejection names it', async () => {
  const applications = `/v1/catalogs/${estates.api.acme.catalog_id}/applications`;
  const { total_size: before } = (await estates.api.ask('GET', applications)).json();
  await setQuota(before + 1);
  expect((await estates.api.ask('GET', '/v1/quotas')).json().applications).toEqual({
    limit: before + 1,
    usage: before,
  });
  const answers = await Promise.all(['nginx', 'postgresql'].map(request));
  expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, 403]);
  const full = before + 1;
  expect(answers.find(({ statusCode }) => statusCode === 403)?.json()).toMatchObject({
    type: '/problems/quota-reached',
    detail: `The quota of the organization is ${full} applications: it has ${full}, and this request adds 1`,
  });
  const quotas = await estates.api.ask('GET', '/v1/quotas');
  expect(quotas.json()).toEqual({ applications: { limit: full, usage: full } });
  // The quota of one organization does not affect another.
  const rival = await estates.api.ask('GET', '/v1/quotas', { token: estates.api.rival.access.OWNER });
  expect(rival.json()).toEqual({});
});

test('an organization has a subscription from the beginning, which shows the quota', async () => {
  await setQuota(7);
  const { items } = (await estates.api.ask('GET', '/v1/subscriptions')).json();
  expect(items).toEqual([
    {
      ...{ id: expect.any(String), product_id: 'VAC_FLEXIBLE', status: 'ACTIVE' },
      quotas: { applications: { limit: 7 } },
      ...{ created_at: expect.any(String), created_by: 'Larder', updated_at: expect.any(String) },
      ...{ updated_by: 'Larder', starts_at: expect.any(String) },
    },
  ]);
  expect((await estates.api.ask('GET', `/v1/subscriptions/${items[0].id}`)).json()).toEqual(items[0]);
  await setQuota(null);
  expect((await estates.api.ask('GET', `/v1/subscriptions/${items[0].id}`)).json()).not.toHaveProperty('quotas');
});

test.each([
  ['CREATED', '1 day', '2 days'],
  ['ACTIVE', '-1 day', '31 days'],
  ['PENDING_EXPIRY', '-1 day', '29 days'],
  ['EXPIRED', '-2 days', '-1 day'],
])('the status %s follows from the dates, and is a filter', async (status, starts, ends) => {
  await change(
    `update subscriptions set starts_at = now() + $2::interval, ends_at = now() + $3::interval where organization_id = $1`,
    [estates.api.acme.id, starts, ends],
  );
  const page = (await estates.api.ask('GET', `/v1/subscriptions?status=${status}`)).json();
  expect(page.items).toEqual([expect.objectContaining({ status, ends_at: expect.any(String) })]);
  const other = await estates.api.ask('GET', '/v1/subscriptions?status=TERMINATED');
  expect(other.json()).toMatchObject({ total_size: 0, items: [] });
});
