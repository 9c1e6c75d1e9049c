// Adds and deletes uses of content, also while the sweeper (src/jobs/sweep-content.ts) deletes unused content.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { addUses, dropUses, findUnusedContent, lockForSweep } from './content-uses.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

const [one, two, three] = [digestOf('one'), digestOf('two'), digestOf('three')];

test('content is used until the last row that needs it is gone', async () => {
  await catalog.write((tx) => addUses(tx, { kind: 'layer', id: 'a' }, [one, two, one]));
  await catalog.write((tx) => addUses(tx, { kind: 'release', id: 'b' }, [two]));
  await catalog.write((tx) => addUses(tx, { kind: 'release', id: 'b' }, [two]));
  expect(await findUnusedContent(catalog.db, [one, two, three])).toEqual([three]);
  await catalog.write((tx) => dropUses(tx, { kind: 'layer', id: 'a' }, [one]));
  expect(await findUnusedContent(catalog.db, [one, two, three])).toEqual([one, three]);
  await catalog.write((tx) => dropUses(tx, { kind: 'layer', id: 'a' }));
  expect(await findUnusedContent(catalog.db, [one, two])).toEqual([one]);
  await catalog.write((tx) => dropUses(tx, { kind: 'release', id: 'b' }));
  expect(await findUnusedContent(catalog.db, [two])).toEqual([two]);
});

test('a sweep waits for a transaction that adds a use, and then sees the use', async () => {
  let entered = () => {};
  const inside = new Promise<void>((resolve) => {
    entered = resolve;
  });
  let leave = () => {};
  const may = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const referring = catalog.write(async (tx) => {
    await addUses(tx, { kind: 'plan', id: 'p' }, [three]);
    entered();
    await may;
  });
  await inside;
  const sweeping = catalog.write(async (tx) => {
    await lockForSweep(tx);
    return await findUnusedContent(tx, [three]);
  });
  // PostgreSQL reports that the sweeper waits for the lock.
  await expect.poll(async () => await waiters()).toBe(1);
  leave();
  await referring;
  expect(await sweeping).toEqual([]);
});

async function waiters(): Promise<number> {
  const found = await catalog.pool.query<{ count: number }>(
    `select count(*)::int as count from pg_locks join pg_database d on d.oid = pg_locks.database
     where locktype = 'advisory' and not granted and d.datname = current_database()`,
  );
  return found.rows[0]?.count ?? 0;
}
