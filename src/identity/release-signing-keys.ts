// The keys that sign an organization's releases. The first key is made with the organization. After a new key is made, the
// old keys sign together with it for a time. Workers open the keys.
import { sql } from 'kysely';
import type { Input } from '../contract/endpoints.ts';
import {
  SIGNING_KEY_OVERLAP_DAYS_DEFAULT,
  SIGNING_KEYS_MAX,
  SIGNING_KEYS_OVERLAPPING_MAX,
} from '../contract/limits.ts';
import type { SigningKeyOrigin } from '../contract/vocabulary.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';
import { IdentityError } from './errors.ts';
import type { Seals } from './oidc-tickets.ts';
import type { Principal } from './principal.ts';
import { newReleaseKeyPair, type ReleaseKeyPair, readReleaseKeyPair } from './release-key-pairs.ts';
import type { SealOwner } from './sealed.ts';
import { type Signer, signerOf } from './signer.ts';
import { requireOwner } from './users.ts';

/** The recorded actor for keys that no person made. */
const LARDER = 'Larder';

type Sealing = Pick<Seals, 'seal'>;

/**
 * Makes the first key of each organization without a key. An organization has no key after an upgrade, or if it was created
 * by a process that could not read the key file.
 */
export async function ensureReleaseKeys(db: Database, seals: Sealing): Promise<void> {
  const without = await sql<{ id: string }>`
    select o.id from organizations o
    where not exists (select from release_signing_keys k where k.organization_id = o.id) order by o.id`.execute(db);
  for (const { id } of without.rows) await inTransaction(db, (tx) => ensureReleaseKey(tx, id, seals));
}

/** Makes the first key of an organization. A repetition changes nothing, even if it runs concurrently. */
export async function ensureReleaseKey(tx: Transaction, organization_id: string, seals: Sealing): Promise<void> {
  const found = await sql`select from release_signing_keys where organization_id = ${organization_id} limit 1`.execute(
    tx,
  );
  if (found.rows.length > 0) return;
  await insertKey(tx, newReleaseKeyPair(), { organization_id, origin: 'GENERATED', created_by: LARDER, seals });
}

/**
 * Makes or imports a key, which becomes the current key. The keys that signed until now keep signing together with it until
 * the overlap ends. Throws INVALID if the private key cannot be used, TAKEN if the organization has or had this key,
 * LIMIT_REACHED, and the errors of requireOwner.
 */
export async function createSigningKey(
  tx: Transaction,
  principal: Principal,
  input: Input<'createSigningKey'>,
  seals: Sealing,
): Promise<{ id: string }> {
  const { organization_id, name: created_by } = principal;
  const { private_key, overlap_days = SIGNING_KEY_OVERLAP_DAYS_DEFAULT } = input;
  await requireOwner(tx, principal);
  const pair = private_key === undefined ? newReleaseKeyPair() : readReleaseKeyPair(private_key);
  // Takes a lock, so that concurrent requests cannot exceed the limits together or leave two current keys.
  await lockName(tx, ['release-signing-keys', organization_id]);
  await requireRoom(tx, organization_id, { pair, overlap_days });
  // The column stores milliseconds and would round up. Then an overlap of zero days would end after this transaction.
  await sql`
    update release_signing_keys set signs_until =
      least(coalesce(signs_until, 'infinity'), date_trunc('milliseconds', now()) + ${overlap_days} * interval '1 day')
    where organization_id = ${organization_id}`.execute(tx);
  await forgetRetiredKeys(tx);
  const origin = private_key === undefined ? 'GENERATED' : 'IMPORTED';
  await insertKey(tx, pair, { organization_id, origin, created_by, seals });
  return { id: pair.id };
}

/**
 * Opens the keys that sign releases now, the current key first. If the organization has no key, makes the first one. Throws
 * SEAL_BROKEN.
 */
export async function openSigners(db: Database, organization_id: string, seals: Seals): Promise<Signer[]> {
  let keys = await findSigningKeys(db, organization_id);
  if (keys.length === 0) {
    await inTransaction(db, (tx) => ensureReleaseKey(tx, organization_id, seals));
    keys = await findSigningKeys(db, organization_id);
  }
  return keys.map(({ id, sealed_private_key }) =>
    signerOf(id, seals.unseal(sealed_private_key, ownerOf(organization_id, id))),
  );
}

async function findSigningKeys(
  db: Database,
  organization_id: string,
): Promise<{ id: string; sealed_private_key: Buffer }[]> {
  const found = await sql<{ id: string; sealed_private_key: Buffer }>`
    select id, sealed_private_key from release_signing_keys
    where organization_id = ${organization_id} and (signs_until is null or signs_until > now())
    order by signs_until desc nulls first, id`.execute(db);
  return found.rows;
}

/**
 * Deletes the private keys, of all organizations, that no longer sign. After that, nobody can sign with them, even with the
 * key file.
 */
export async function forgetRetiredKeys(tx: Transaction): Promise<void> {
  await sql`
    update release_signing_keys set sealed_private_key = null
    where signs_until <= now() and sealed_private_key is not null`.execute(tx);
}

async function requireRoom(
  tx: Transaction,
  organization_id: string,
  { pair, overlap_days }: { pair: ReleaseKeyPair; overlap_days: number },
): Promise<void> {
  const found = await sql<{ total: number; overlapping: number; known: boolean }>`
    select count(*)::int as total, (count(*) filter (where signs_until > now()))::int as overlapping,
      coalesce(bool_or(id = ${pair.id}), false) as known
    from release_signing_keys where organization_id = ${organization_id}`.execute(tx);
  const { total = 0, overlapping = 0, known = false } = found.rows[0] ?? {};
  if (known) throw new IdentityError('TAKEN', 'The organization has, or had, this signing key: make or import another');
  if (total >= SIGNING_KEYS_MAX) {
    throw new IdentityError(
      'LIMIT_REACHED',
      `The organization has ${SIGNING_KEYS_MAX} signing keys, which is the limit`,
    );
  }
  if (overlap_days > 0 && overlapping >= SIGNING_KEYS_OVERLAPPING_MAX) {
    throw new IdentityError(
      'LIMIT_REACHED',
      `${SIGNING_KEYS_OVERLAPPING_MAX} earlier keys sign beside the current one, which is the limit: wait until one of them ends, or end all of them with overlap_days 0`,
    );
  }
}

type NewKey = { organization_id: string; origin: SigningKeyOrigin; created_by: string; seals: Sealing };

async function insertKey(
  tx: Transaction,
  { id, public_key, private_key }: ReleaseKeyPair,
  { organization_id, origin, created_by, seals }: NewKey,
): Promise<void> {
  const sealed_private_key = seals.seal(private_key, ownerOf(organization_id, id));
  await tx
    .insertInto('release_signing_keys')
    .values({ organization_id, id, public_key, sealed_private_key, origin, created_by })
    // If another process has made the first key at the same time, nothing is inserted.
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function ownerOf(organization_id: string, id: string): SealOwner {
  return { organization_id, row_id: `signing_key ${id}` };
}
