// Notifications about changes of the catalog: a request, a fixed vulnerability, or a date. Each notification is sent once, to
// the providers that have selected its kind.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog, type TestOrganization } from '../../test/catalog.ts';
import { moveLifeCycles } from '../catalog/life-cycle.ts';
import { createNotificationProvider } from '../catalog/notification-providers.ts';
import { createWave } from '../pipelines/waves.ts';

let catalog: TestCatalog;
let application = '';

beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  for (const { principal } of [catalog.acme, catalog.rival]) {
    const request = { type: 'EMAIL', name: 'mail' } as const;
    await catalog.write((tx) =>
      createNotificationProvider(tx, principal, request, { seal: () => Buffer.from('sealed') }),
    );
  }
});
afterAll(() => catalog.drop());

async function notified(of: TestOrganization, type: string): Promise<Record<string, unknown>[]> {
  const found = await sql<{ event: Record<string, unknown> }>`
    select e.event from notification_events e join notification_deliveries d on d.event_id = e.id
    where e.organization_id = ${of.principal.organization_id} and d.type = ${type} order by e.created_at`.execute(
    catalog.db,
  );
  return found.rows.map(({ event }) => event);
}

test('a request notifies its own organization', async () => {
  application = (await catalog.request(catalog.acme, ['redis'])).application_ids[0] ?? '';
  expect(await notified(catalog.acme, 'APPLICATION_REQUEST_CREATED')).toMatchObject([
    { name: 'wanted', request_type: 'add', created_by: 'acme-owner', applications: ['redis 7.0 (container image)'] },
  ]);
  expect(await notified(catalog.rival, 'APPLICATION_REQUEST_CREATED')).toEqual([]);
});

test('a release that fixes a vulnerability notifies', async () => {
  await catalog.finish(await catalog.openPipeline(application));
  expect(await notified(catalog.acme, 'CRITICAL_CVE_PATCH_AVAILABLE')).toEqual([]);
  const triggers = ['CVE-2026-2', 'CVE-2026-1'].map((context) => ({ type: 'CVE_PATCH' as const, context }));
  await catalog.write((tx) =>
    createWave(tx, { cause: 'REBUILD', application_ids: [application], triggers, keep_pins: false }),
  );
  await catalog.finish(await catalog.openPipeline(application), 'patched');
  expect(await notified(catalog.acme, 'CRITICAL_CVE_PATCH_AVAILABLE')).toMatchObject([
    { application: 'redis 7.0 (container image)', version: '7.0.15', vulnerabilities: ['CVE-2026-1', 'CVE-2026-2'] },
  ]);
});

test('the end of a branch notifies before it and at it, once for each date', async () => {
  const endsIn = async (days: number) => {
    await sql`update product_branches set end_of_life_at = (now() at time zone 'UTC')::date + ${days}::integer
      where product_key = 'redis'`.execute(catalog.db);
    await catalog.write((tx) => moveLifeCycles(tx));
    await catalog.write((tx) => moveLifeCycles(tx));
  };
  await endsIn(30);
  await endsIn(0);
  const ended = [
    {
      application: 'redis 7.0 (container image)',
      application_id: application,
      at: expect.stringMatching(/T00:00:00.000Z$/),
    },
  ];
  expect(await notified(catalog.acme, 'APPLICATION_EOL')).toMatchObject(ended);
  expect(await notified(catalog.acme, 'APPLICATION_UNSUPPORTED')).toMatchObject(ended);
  await endsIn(400);
  await endsIn(60);
  expect(await notified(catalog.acme, 'APPLICATION_EOL')).toHaveLength(2);
});
