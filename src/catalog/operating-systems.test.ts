// The life cycle of operating systems follows upstream's dates. It affects base images, and determines for which operating
// systems jobs build.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { listFollowedBaseImages } from '../pipelines/base-image-versions.ts';
import { ensureOperatingSystems } from './initial-rows.ts';
import { moveLifeCycles, moveOperatingSystems } from './life-cycle.ts';
import { findOperatingSystems, listOperatingSystems } from './operating-systems.ts';
import { followOperatingSystems } from './registry-checks.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
}, 60_000);
beforeEach(() => endsIn({}));
afterAll(() => catalog.drop());

/**
 * Sets each end of life to this number of days from today, by the database's clock. Operating systems that are not in `days`
 * get no end of life.
 */
async function dates(days: Record<string, number>): Promise<void> {
  await sql`
    update operating_systems o set end_of_life_at = (now() at time zone 'UTC')::date + (
      select given.after from unnest(${Object.keys(days)}::text[], ${Object.values(days)}::integer[]) as given (key, after)
      where given.key = o.key)`.execute(catalog.db);
}

/** Sets these ends of life, and then updates the status of operating systems and base images. */
async function endsIn(days: Record<string, number>): Promise<void> {
  await dates(days);
  await catalog.write(moveOperatingSystems);
  await catalog.write(followOperatingSystems);
}

async function systems() {
  return (await listOperatingSystems(catalog.db, catalog.acme.principal, { page: 1, page_size: 20 })).items;
}
const statuses = async () => (await systems()).map(({ status }) => status);
const isTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/);

test('operating systems are ACTIVE until the grace period, DEPRECATED in it, and REPLACED by the next version at the end', async () => {
  await endsIn({ 'debian-12': 91 });
  expect(await statuses()).toEqual(['ACTIVE', 'ACTIVE']);
  await endsIn({ 'debian-12': 90 });
  expect((await systems())[0]).toMatchObject({ status: 'DEPRECATED', deprecated_at: isTime });
  await endsIn({ 'debian-12': 1 });
  const [deprecated] = await systems();
  expect(deprecated).not.toHaveProperty('replaced_by');
  await endsIn({ 'debian-12': 0 });
  const [replaced, next] = await systems();
  const expected = { status: 'REPLACED', replaced_by: next?.id, replaced_at: isTime };
  expect(replaced).toMatchObject({ ...expected, deprecated_at: deprecated?.deprecated_at });
  await endsIn({ 'debian-12': -1 });
  expect((await systems())[0]).toEqual(replaced);
});

test('operating systems stay DEPRECATED while they have no successor, and are ACTIVE again when the date moves to the future', async () => {
  await endsIn({ 'debian-12': -5, 'debian-13': 30 });
  expect(await statuses()).toEqual(['DEPRECATED', 'DEPRECATED']);
  await endsIn({ 'debian-12': -5, 'debian-13': 300 });
  expect(await statuses()).toEqual(['REPLACED', 'ACTIVE']);
  await endsIn({ 'debian-12': 300, 'debian-13': 300 });
  const [back] = await systems();
  expect(back).toMatchObject({ status: 'ACTIVE' });
  for (const field of ['deprecated_at', 'replaced_by', 'replaced_at']) expect(back).not.toHaveProperty(field);
});

test('jobs build for operating systems until they are replaced', async () => {
  const built = async () => ({
    systems: (await findOperatingSystems(catalog.db)).map(({ key }) => key),
    images: (await listFollowedBaseImages(catalog.db)).length,
  });
  await endsIn({ 'debian-12': 10 });
  expect(await built()).toEqual({ systems: ['debian-12', 'debian-13'], images: 2 });
  await endsIn({ 'debian-12': -1 });
  expect(await built()).toEqual({ systems: ['debian-13'], images: 1 });
});

test('moveLifeCycles changes the status of operating systems too', async () => {
  await dates({ 'debian-12': -1 });
  await catalog.write(moveLifeCycles);
  expect(await statuses()).toEqual(['REPLACED', 'ACTIVE']);
});

test('operating systems get the values of the library, and are written only if these changed', async () => {
  const known = { key: 'debian-13', name: 'Debian 13', distro: 'debian', version: '13', codename: 'trixie' };
  const say = (end_of_life?: string) =>
    catalog.write((tx) =>
      ensureOperatingSystems(tx, [{ ...known, ...(end_of_life !== undefined && { end_of_life }) }]),
    );
  const row = () =>
    catalog.db
      .selectFrom('operating_systems')
      .select(['end_of_life_at', 'updated_at'])
      .where('key', '=', known.key)
      .executeTakeFirstOrThrow();
  await say('2031-01-31');
  const said = await row();
  expect(said.end_of_life_at).toBe('2031-01-31');
  await say('2031-01-31');
  expect(await row()).toEqual(said);
  await say();
  expect((await row()).end_of_life_at).toBeNull();
});
