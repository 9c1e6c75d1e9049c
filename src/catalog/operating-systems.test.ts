// The lives of operating systems: what upstream's dates make of them, of what is built on them, and of what is still looked at.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { listFollowedBaseImages } from './base-image-versions.ts';
import { moveLifeCycles, moveOperatingSystems } from './life-cycle.ts';
import { findOperatingSystems, listOperatingSystems } from './operating-systems.ts';
import { followOperatingSystems } from './registry-checks.ts';

let house: TestCatalog;
beforeAll(async () => {
  house = await openTestCatalog();
}, 60_000);
beforeEach(() => house.write((tx) => moveOperatingSystems(tx, {})));
afterAll(() => house.drop());

/** Upstream's fixes end so many days from today by the database's clock. */
async function endsIn(days: Record<string, number>): Promise<void> {
  const ends: Record<string, string> = {};
  for (const [key, after] of Object.entries(days)) {
    const found = await sql<{ day: string }>`
      select ((now() at time zone 'UTC')::date + ${after}::integer)::text as day`.execute(house.db);
    ends[key] = found.rows[0]?.day ?? '';
  }
  await house.write((tx) => moveOperatingSystems(tx, ends));
  await house.write(followOperatingSystems);
}

async function systems() {
  return (await listOperatingSystems(house.db, house.acme.principal, { page: 1, page_size: 20 })).items;
}
const statuses = async () => (await systems()).map(({ status }) => status);
const isTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/);

test('are ACTIVE until the grace period, DEPRECATED in it, and REPLACED by the next one at the end', async () => {
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

test('stay DEPRECATED as long as nothing can take their place, and come back when the date moves away', async () => {
  await endsIn({ 'debian-12': -5, 'debian-13': 30 });
  expect(await statuses()).toEqual(['DEPRECATED', 'DEPRECATED']);
  await endsIn({ 'debian-12': -5, 'debian-13': 300 });
  expect(await statuses()).toEqual(['REPLACED', 'ACTIVE']);
  await endsIn({ 'debian-12': 300, 'debian-13': 300 });
  const [back] = await systems();
  expect(back).toMatchObject({ status: 'ACTIVE' });
  for (const field of ['deprecated_at', 'replaced_by', 'replaced_at']) expect(back).not.toHaveProperty(field);
});

test('are built for until they are replaced', async () => {
  const built = async () => ({
    systems: (await findOperatingSystems(house.db)).map(({ key }) => key),
    images: (await listFollowedBaseImages(house.db)).length,
  });
  await endsIn({ 'debian-12': 10 });
  expect(await built()).toEqual({ systems: ['debian-12', 'debian-13'], images: 2 });
  await endsIn({ 'debian-12': -1 });
  expect(await built()).toEqual({ systems: ['debian-13'], images: 1 });
});

test('are moved by the calendar with everything else', async () => {
  await endsIn({ 'debian-12': -1 });
  await house.write(moveLifeCycles);
  expect(await statuses()).toEqual(['ACTIVE', 'ACTIVE']);
});
