// Reads the public keys with which releases are verified. Members of the organization see more fields than everybody else.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { type PublishedKey, publicKeyPath, type SigningKey } from '../contract/signing-key.ts';
import type { Database } from '../db/database.ts';
import { pageWindow, present, toPage, wireTime } from '../db/page.ts';
import { notFound } from './errors.ts';
import type { Principal } from './principal.ts';

/** Lists the organization's keys: the current key first, then the others, newest first. Two statements. */
export async function listSigningKeys(
  db: Database,
  { organization_id }: Principal,
  input: Input<'listSigningKeys'>,
): Promise<Output<'listSigningKeys'>> {
  const total = await sql<{ total: number }>`
    select count(*)::int as total from release_signing_keys where organization_id = ${organization_id}`.execute(db);
  const rows = await sql<Row<SigningKey>>`
    select ${published()}, k.origin, k.created_by from ${keys()}
    where k.organization_id = ${organization_id} ${inOrder()} ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toSigningKey));
}

/** Returns one of the organization's keys. Throws NOT_FOUND. */
export async function getSigningKey(
  db: Database,
  { organization_id }: Principal,
  input: Input<'getSigningKey'>,
): Promise<Output<'getSigningKey'>> {
  const found = await sql<Row<SigningKey>>`
    select ${published()}, k.origin, k.created_by from ${keys()}
    where k.organization_id = ${organization_id} and k.id = ${input.signing_key_id}`.execute(db);
  const key = found.rows[0];
  if (key === undefined) throw notFound('signing key');
  return toSigningKey(key);
}

/**
 * Returns all keys of the organization with this namespace, in the order of `listSigningKeys`. Returns an empty list if there
 * is no such organization.
 */
export async function listPublishedKeys(db: Database, namespace: string): Promise<PublishedKey[]> {
  const found = await sql<Row<PublishedKey>>`
    select ${published()} from ${keys()} where o.namespace = ${namespace} ${inOrder()}`.execute(db);
  return found.rows.map(toPublishedKey);
}

/** A key as read from the database, with the organization's namespace, from which its path is made. */
type Row<K extends PublishedKey> = Omit<K, 'public_key_url' | 'signs_until'> & {
  namespace: string;
  signs_until: string | null;
};

function toSigningKey({ namespace, ...key }: Row<SigningKey>): SigningKey {
  return present<SigningKey>({ ...key, public_key_url: publicKeyPath(namespace, key.id) });
}

function toPublishedKey({ namespace, ...key }: Row<PublishedKey>): PublishedKey {
  return present<PublishedKey>({ ...key, public_key_url: publicKeyPath(namespace, key.id) });
}

function keys(): RawBuilder<unknown> {
  return sql`release_signing_keys k join organizations o on o.id = k.organization_id`;
}

function inOrder(): RawBuilder<unknown> {
  return sql`order by k.signs_until is not null, k.created_at desc, k.id`;
}

function published(): RawBuilder<unknown> {
  return sql`k.id, k.public_key, o.namespace, ${wireTime('k.created_at')} as created_at, ${wireTime('k.signs_until')} as signs_until,
    case when k.signs_until is null then 'CURRENT' when k.signs_until > now() then 'OVERLAPPING' else 'RETIRED' end as status`;
}
