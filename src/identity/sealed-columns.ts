// The columns that contain sealed values, and functions that seal these values again with the current key.
import { type RawBuilder, sql } from 'kysely';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { InstallationKey } from './installation-key.ts';
import { INSTALLATION, type SealOwner, seal, unseal } from './sealed.ts';

type SealedColumn = {
  table: string;
  column: string;
  /** SQL: the SealOwner of a value, from its row. The row has the alias `t`. */
  organization: RawBuilder<string>;
  row: RawBuilder<string>;
};

/** A test compares this list with the schema, because values of a missing column could not be opened after a rotation. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  {
    table: 'signing_keys',
    column: 'sealed_private_jwk',
    organization: sql.lit(INSTALLATION) as RawBuilder<string>,
    row: sql`'signing_key ' || t.kid`,
  },
  {
    table: 'release_signing_keys',
    column: 'sealed_private_key',
    organization: sql`t.organization_id::text`,
    row: sql`'signing_key ' || t.id`,
  },
  {
    table: 'registries',
    column: 'sealed_access_secret',
    organization: sql`t.organization_id::text`,
    row: sql`t.id::text`,
  },
  {
    table: 'notification_providers',
    column: 'sealed_settings',
    organization: sql`t.organization_id::text`,
    row: sql`t.id::text`,
  },
  {
    table: 'replays',
    column: 'sealed_answer',
    organization: sql`t.organization_id::text`,
    row: sql`'replay ' || t.key`,
  },
];

/**
 * How many rows one transaction seals again. This takes some hundredths of a second, in which other transactions cannot write
 * these rows.
 */
const BATCH_COUNT = 200;

type SealedRow = SealOwner & { place: string; sealed: Buffer };

/**
 * Seals every value again that was sealed with an older key. Returns the number of these values. If a call is interrupted,
 * the next call continues.
 */
export async function sealAgain(db: Database, key: InstallationKey): Promise<number> {
  let count = 0;
  for (const column of SEALED_COLUMNS) {
    for (let done = BATCH_COUNT; done === BATCH_COUNT; count += done) {
      done = await inTransaction(db, (tx) => sealBatch(tx, key, column));
    }
  }
  return count;
}

/**
 * Returns the columns that contain values sealed with other keys. The result stays correct until this transaction ends,
 * because until then no other transaction can write such values.
 */
export async function findOtherSeals(tx: Transaction, key: InstallationKey): Promise<string[]> {
  const left: string[] = [];
  for (const one of SEALED_COLUMNS) {
    await sql`lock table ${sql.table(one.table)} in share mode`.execute(tx);
    const found = await sql`select 1 from ${sql.table(one.table)} t where ${isOther(one, key)} limit 1`.execute(tx);
    if (found.rows.length > 0) left.push(`${one.table}.${one.column}`);
  }
  return left;
}

async function sealBatch(tx: Transaction, key: InstallationKey, one: SealedColumn): Promise<number> {
  const { table, column, organization, row } = one;
  const found = await sql<SealedRow>`
    select t.ctid::text as place, ${organization} as organization_id, ${row} as row_id, t.${sql.ref(column)} as sealed
    from ${sql.table(table)} t where ${isOther(one, key)} limit ${BATCH_COUNT} for update`.execute(tx);
  for (const { place, sealed, ...owner } of found.rows) {
    const again = seal(key, open(key, sealed, { owner, table }), owner);
    await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${again} where ctid = ${place}::tid`.execute(tx);
  }
  return found.rows.length;
}

function open(key: InstallationKey, sealed: Buffer, { owner, table }: { owner: SealOwner; table: string }): string {
  try {
    return unseal(key, sealed, owner);
  } catch (cause) {
    const message = `A secret in ${table} (${owner.row_id}) cannot be opened with any line of the key file`;
    throw new IdentityError('SEAL_BROKEN', message, { cause });
  }
}

/** SQL: whether a value was sealed with another key. The id of the key comes after the first byte (src/identity/sealed.ts). */
function isOther({ column }: SealedColumn, key: InstallationKey): RawBuilder<boolean> {
  return sql`t.${sql.ref(column)} is not null and substring(t.${sql.ref(column)} from 2 for 8) <> ${key.current.id}`;
}
