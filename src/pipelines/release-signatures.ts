// Signatures that were made, by key and signed bytes: ECDSA gives other bytes each time, and the same release is signed once.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';

/** The bytes that a key of the organization signs. */
export type SignedBytes = { organization_id: string; key_id: string; signed_digest: Digest };

/** Returns the signature that was made before; undefined if there is none. */
export async function findSignature(db: Database, signed: SignedBytes): Promise<Buffer | undefined> {
  const found = await sql<{ signature: Buffer }>`
    select signature from release_signatures where organization_id = ${signed.organization_id}
      and key_id = ${signed.key_id} and signed_digest = ${signed.signed_digest}`.execute(db);
  return found.rows[0]?.signature;
}

/** Keeps a signature. Returns it, or the one that another worker kept first. */
export async function keepSignature(tx: Transaction, signed: SignedBytes, signature: Buffer): Promise<Buffer> {
  const kept = await sql<{ signature: Buffer }>`
    insert into release_signatures as s (organization_id, key_id, signed_digest, signature)
    values (${signed.organization_id}, ${signed.key_id}, ${signed.signed_digest}, ${signature})
    on conflict (organization_id, key_id, signed_digest) do update set signature = s.signature
    returning signature`.execute(tx);
  return kept.rows[0]?.signature ?? signature;
}
