// The installation's key is rotated while Larder runs. An interrupted rotation loses no secret, and old keys are dropped when
// no secret needs them.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { inTransaction, type Transaction } from '../db/database.ts';
import { type Identity, openIdentity } from './identity.ts';
import { type InstallationKey, loadInstallationKey } from './installation-key.ts';
import { followInstallationKey } from './key-file.ts';
import { dropKeys, rotateKeys } from './key-rotation.ts';
import { createOrganization } from './organizations.ts';
import { SEALED_COLUMNS } from './sealed-columns.ts';

let database: TestDatabase;
let folder: string;
let file: string;
/** A server that was started before the rotation and still runs. */
let running: Identity;
let organization: string;
let apiToken: string;

beforeEach(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'larder-rotation-'));
  file = join(folder, 'installation.key');
  running = await start({ create: true });
  const made = await inTransaction(database.db, (tx) => createOrganization(tx, { name: 'acme', owner: 'jane' }));
  organization = made.organization.id;
  apiToken = made.api_token;
});
afterEach(async () => {
  await database.drop();
  rmSync(folder, { recursive: true });
});

async function start(options: { create?: boolean } = {}): Promise<Identity> {
  const key = await loadInstallationKey(file, options);
  return await openIdentity(database.db, followInstallationKey(file, key));
}

const lines = () => readFileSync(file, 'utf8').trim().split('\n');

/** Inserts registries, each with a secret, and one stored response. */
async function fill(identity: Identity, count: number): Promise<void> {
  const ids = Array.from({ length: count }, () => randomUUID());
  const sealed = ids.map((id) => identity.seal(`secret of ${id}`, { organization_id: organization, row_id: id }));
  await database.pool.query(
    `insert into registries (id, organization_id, name, provider, url, sealed_access_secret)
     select id, $1, 'r', 'OCI', 'https://r.invalid', sealed from unnest($2::uuid[], $3::bytea[]) given (id, sealed)`,
    [organization, ids, sealed],
  );
  const owner = { organization_id: organization, row_id: 'replay k' };
  await database.pool.query(
    "insert into replays (organization_id, key, operation, sealed_answer) values ($1, 'k', 'o', $2) on conflict do nothing",
    [organization, identity.seal('kept', owner)],
  );
}

async function opened(identity: Identity): Promise<number> {
  const { rows } = await database.pool.query('select id, sealed_access_secret as sealed from registries');
  for (const { id, sealed } of rows) {
    expect(identity.unseal(sealed, { organization_id: organization, row_id: id })).toBe(`secret of ${id}`);
  }
  const replay = await database.pool.query('select sealed_answer from replays');
  const owner = { organization_id: organization, row_id: 'replay k' };
  expect(identity.unseal(replay.rows[0].sealed_answer, owner)).toBe('kept');
  return rows.length;
}

test('each sealed column of the schema is sealed again', async () => {
  const { rows } = await database.pool.query(
    `select table_name || '.' || column_name as name from information_schema.columns
     where table_schema = 'public' and data_type = 'bytea' and column_name like 'sealed%' order by 1`,
  );
  expect(SEALED_COLUMNS.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(rows.map(({ name }) => name));
});

describe('a rotation', () => {
  test('does not disturb a running server: secrets open, and tokens of old and new keys are valid', async () => {
    await fill(running, 450);
    const before = (await running.exchangeApiToken(apiToken)).access_token;
    const [issuer] = (await database.pool.query('select issuer from installation')).rows;
    expect(await rotateKeys(database.db, file)).toEqual({ sealed: 452, resumed: false });
    expect(lines()).toHaveLength(2);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    // Uses a server that still runs and a server that is started now.
    const fresh = await start();
    expect([await opened(running), await opened(fresh)]).toEqual([450, 450]);
    for (const identity of [running, fresh]) {
      expect(await identity.verifyAccessToken(before)).toMatchObject({ name: 'jane' });
    }
    const after = (await fresh.exchangeApiToken(apiToken)).access_token;
    expect(await running.verifyAccessToken(after)).toMatchObject({ name: 'jane' });
    expect((await fresh.jwks()).keys).toHaveLength(2);
    // The server that still runs seals with the new key.
    await fill(running, 1);
    expect(await dropKeys(database.db, file)).toBe(1);
    expect(lines()).toHaveLength(1);
    const last = await start();
    expect(await opened(last)).toBe(451);
    expect(await last.verifyAccessToken(before)).toMatchObject({ name: 'jane' });
    expect((await database.pool.query('select issuer from installation')).rows).toEqual([issuer]);
    expect(await dropKeys(database.db, file)).toBe(0);
  });

  test('is recorded in the audit trail of every organization', async () => {
    await rotateKeys(database.db, file);
    await dropKeys(database.db, file);
    const { rows } = await database.pool.query(
      'select actor_name, action, organization_id from audit_events order by action',
    );
    expect(rows).toEqual(
      ['dropKeys', 'rotateKeys'].map((action) => ({ actor_name: 'operator', action, organization_id: organization })),
    );
  });

  test('that is killed in the middle loses no secret, and the next one finishes it', async () => {
    await fill(running, 1_000);
    const victim = spawn(process.execPath, ['test/rotation-victim.ts', database.url, file], { stdio: 'ignore' });
    const ended = once(victim, 'exit');
    // Waits until some values are sealed with the new key and others are not yet.
    for (let one = 0; one === 0 && victim.exitCode === null; ) {
      if (lines().length === 2) {
        const id = (await loadInstallationKey(file)).current.id;
        const { rows } = await database.pool.query(
          'select count(*)::int as n from registries where substring(sealed_access_secret from 2 for 8) = $1',
          [id],
        );
        one = rows[0].n;
      }
    }
    victim.kill('SIGKILL');
    await ended;
    expect(await opened(running)).toBe(1_000);
    expect(await opened(await start())).toBe(1_000);
    const again = await rotateKeys(database.db, file);
    expect(lines().length).toBe(again.resumed ? 2 : 3);
    expect(await dropKeys(database.db, file)).toBe(again.resumed ? 1 : 2);
    expect(await opened(await start())).toBe(1_000);
  });

  test('that is unfinished keeps the old keys', async () => {
    await fill(running, 1);
    const { addKey } = await import('./key-file.ts');
    await addKey(file, await loadInstallationKey(file));
    await expect(dropKeys(database.db, file)).rejects.toMatchObject({ code: 'KEY_NEEDED' });
    expect(lines()).toHaveLength(2);
    expect(await rotateKeys(database.db, file)).toMatchObject({ resumed: true });
    expect(lines()).toHaveLength(2);
  });

  /**
   * Starts all calls while the row of the installation is locked. Each call is started when the previous call waits for the
   * lock, so that the calls get the lock in this order.
   */
  async function atOnce(...acts: (() => Promise<unknown>)[]): Promise<PromiseSettledResult<unknown>[]> {
    const holder = await database.pool.connect();
    await holder.query('begin');
    await holder.query('select from installation for update');
    const begun: Promise<unknown>[] = [];
    for (const act of acts) {
      const going = act();
      going.catch(() => {});
      begun.push(going);
      await expect
        .poll(
          async () =>
            (
              await database.pool.query(
                `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
              )
            ).rowCount,
          { timeout: 10_000, interval: 5 },
        )
        .toBe(begun.length);
    }
    await holder.query('commit');
    holder.release();
    return await Promise.allSettled(begun);
  }

  const rotate = () => rotateKeys(database.db, file);
  const drop = () => dropKeys(database.db, file);

  test('by two operators at once adds one key and one key pair', async () => {
    await fill(running, 450);
    const ended = await atOnce(rotate, rotate);
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(lines()).toHaveLength(2);
    expect([await opened(running), await opened(await start())]).toEqual([450, 450]);
    expect((await database.pool.query('select from signing_keys')).rowCount).toBe(2);
  });

  test('concurrent with a drop of old keys keeps the key that it has just sealed with', async () => {
    await fill(running, 250);
    await rotate();
    const ended = await atOnce(rotate, drop);
    expect(ended[0]?.status).toBe('fulfilled');
    expect(ended[1]).toMatchObject({ status: 'rejected', reason: { code: 'KEY_NEEDED' } });
    expect([await opened(running), await opened(await start())]).toEqual([250, 250]);
    expect((await atOnce(drop, rotate)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect([await opened(running), await opened(await start())]).toEqual([250, 250]);
  });

  test('concurrent with many rotations and drops loses no secret, and only throws KEY_NEEDED', async () => {
    await fill(running, 450);
    for (let round = 0; round < 4; round += 1) {
      const ended = await Promise.allSettled([rotate(), drop(), rotate(), drop(), rotate()]);
      const rejected = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
      expect(rejected.filter((code) => code !== 'KEY_NEEDED')).toEqual([]);
      expect([await opened(running), await opened(await start())]).toEqual([450, 450]);
    }
    await rotate();
    await drop();
    expect(lines()).toHaveLength(1);
    expect(await opened(await start())).toBe(450);
  });

  test('that ends after a starting process has read the file is found by this process', async () => {
    const first = await loadInstallationKey(file);
    await rotate();
    const followed = followInstallationKey(file, first);
    expect(followed.all).toHaveLength(2);
  });

  /**
   * Seals a secret, waits until the old key was dropped, and only then writes the secret. `write` inserts a new row or
   * replaces an older secret.
   */
  async function writeLate(write: (tx: Transaction, id: string, sealed: Buffer) => Promise<unknown>): Promise<string> {
    const id = randomUUID();
    let tries = 0;
    await inTransaction(database.db, async (tx) => {
      const sealed = running.seal(`secret of ${id}`, { organization_id: organization, row_id: id });
      tries += 1;
      if (tries === 1) {
        await rotate();
        expect(await drop()).toBe(1);
      }
      await write(tx, id, sealed);
    });
    expect(tries).toBe(2);
    return id;
  }

  const insertSealed = (tx: Transaction, id: string, sealed: Buffer | null) =>
    sql`insert into registries (id, organization_id, name, provider, url, sealed_access_secret)
      values (${id}, ${organization}, 'r', 'OCI', 'https://r.invalid', ${sealed})`.execute(tx);

  test('and a drop of the old key while a process is suspended between seal and write lose no secret', async () => {
    await fill(running, 1);
    await writeLate(insertSealed);
    await writeLate(async (tx, id, sealed) => {
      await insertSealed(tx, id, null);
      await sql`update registries set sealed_access_secret = ${sealed} where id = ${id}`.execute(tx);
    });
    expect(await opened(await start())).toBe(3);
  });

  test('makes each sealed column reject values of a dropped key, also in a statement that waited for the drop', async () => {
    await fill(running, 1);
    const { id } = (await loadInstallationKey(file)).current;
    const stale = Buffer.concat([Buffer.of(1), id, Buffer.alloc(40)]);
    await rotate();
    const holder = await database.pool.connect();
    await holder.query('begin; lock table registries in row exclusive mode');
    const dropping = drop();
    const waiting = async (count: number) =>
      await expect
        .poll(async () => {
          const found = await database.pool.query(
            `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
          );
          return found.rowCount;
        })
        .toBe(count);
    await waiting(1);
    const late = database.pool.query('update registries set sealed_access_secret = $1', [stale]);
    late.catch(() => {});
    await waiting(2);
    await holder.query('commit');
    holder.release();
    expect(await dropping).toBe(1);
    await expect(late).rejects.toMatchObject({ code: '40001' });
    for (const { table, column } of SEALED_COLUMNS) {
      const { rows } = await database.pool.query(
        `select pg_get_triggerdef(oid) as trigger from pg_trigger where tgrelid = $1::regclass and tgname = 'refuse_dropped_key'`,
        [table],
      );
      expect(rows).toEqual([{ trigger: expect.stringContaining(`BEFORE INSERT OR UPDATE OF ${column}`) }]);
    }
  });

  test('with a wrong key file changes nothing and throws an error of the key file', async () => {
    const other = join(folder, 'other.key');
    const key: InstallationKey = await loadInstallationKey(other, { create: true });
    const text = readFileSync(other, 'utf8');
    for (const act of [rotateKeys, dropKeys]) {
      await expect(act(database.db, other)).rejects.toMatchObject({
        code: expect.stringMatching(/KEY_WRONG|SEAL_BROKEN/),
      });
    }
    expect([readFileSync(other, 'utf8'), key.all.length]).toEqual([text, 1]);
    await expect(rotateKeys(database.db, join(folder, 'none'))).rejects.toMatchObject({ code: 'KEY_FILE' });
    chmodSync(other, 0o644);
    await expect(rotateKeys(database.db, other)).rejects.toMatchObject({ code: 'KEY_FILE' });
  });

  test('does not affect a running server if the key file is damaged: it keeps the last good key', async () => {
    await fill(running, 1);
    copyFileSync(file, `${file}.kept`);
    writeFileSync(file, 'no key at all\n');
    expect(await opened(running)).toBe(1);
    copyFileSync(`${file}.kept`, file);
    expect(await opened(running)).toBe(1);
  });
});
