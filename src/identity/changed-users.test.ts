// The removal of a user, or a change of the user's role, affects access tokens of the user that are still valid.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import type { Role } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import { type ChangedUser, findChangedUsers, followChangedUsers } from './changed-users.ts';
import { createOrganization } from './organizations.ts';

const jane = (role: Role) => ({ organization_id: 'o', user_id: 'jane', name: 'jane', role });
const changed = (role: Role, removed = false): ChangedUser[] => [{ id: 'jane', role, removed }];

describe('followChangedUsers', () => {
  test('applies a lower role, ignores a higher one, and rejects a removed user', async () => {
    const roleFor = async (is: Role, says: Role) =>
      (await followChangedUsers(async () => changed(is))(jane(says))).role;
    expect([await roleFor('VIEWER', 'OWNER'), await roleFor('OWNER', 'VIEWER')]).toEqual(['VIEWER', 'VIEWER']);
    const follow = followChangedUsers(async () => changed('OWNER', true));
    await expect(follow(jane('OWNER'))).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    expect(await follow({ ...jane('OWNER'), user_id: 'joe' })).toMatchObject({ user_id: 'joe', role: 'OWNER' });
  });

  test('queries once in five seconds for all callers', async () => {
    let [clock, asked] = [0, 0];
    let users: ChangedUser[] = [];
    const load = async () => {
      asked++;
      return users;
    };
    const follow = followChangedUsers(load, () => clock);
    await Promise.all([follow(jane('OWNER')), follow(jane('OWNER')), follow(jane('OWNER'))]);
    users = changed('EDITOR');
    clock = 4_999;
    expect([(await follow(jane('OWNER'))).role, asked]).toEqual(['OWNER', 1]);
    clock = 5_000;
    expect([(await follow(jane('OWNER'))).role, asked]).toEqual(['EDITOR', 2]);
  });

  test('keeps the known changes while the database does not respond', async () => {
    let clock = 0;
    let answers = true;
    const load = async () => {
      if (!answers) throw new Error('down');
      return changed('VIEWER');
    };
    const follow = followChangedUsers(load, () => clock);
    await follow(jane('OWNER'));
    [answers, clock] = [false, 10_000];
    expect((await follow(jane('OWNER'))).role).toBe('VIEWER');
  });
});

describe('findChangedUsers', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  }, 60_000);
  afterAll(() => database.drop());

  test('finds users changed in the last half hour, along an index', async () => {
    const made = await inTransaction(database.db, (tx) => createOrganization(tx, { name: 'acme', owner: 'jane' }));
    const { id } = made.owner;
    expect(await findChangedUsers(database.db)).toEqual([{ id, role: 'OWNER', removed: false }]);
    await database.pool.query('update users set removed_at = now() where id = $1', [id]);
    expect(await findChangedUsers(database.db)).toEqual([{ id, role: 'OWNER', removed: true }]);
    await database.pool.query(`update users set updated_at = now() - interval '32 minutes' where id = $1`, [id]);
    expect(await findChangedUsers(database.db)).toEqual([]);
    await database.pool.query(
      `insert into users (organization_id, name, role, updated_at)
      select $1, 'x', 'VIEWER', now() - n * interval '1 hour' from generate_series(1, 20000) n`,
      [made.organization.id],
    );
    await database.pool.query('analyze users');
    const { rows } = await database.pool.query(
      `explain select id from users where updated_at > now() - interval '31 minutes'`,
    );
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('users_by_change');
  });
});
