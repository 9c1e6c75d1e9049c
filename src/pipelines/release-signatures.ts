// Stores signatures by key and signed bytes, so that the same bytes are signed only once. Without this, each retry would make
// another signature, because ECDSA signatures of the same bytes differ.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';

/** The digest of the signed bytes, and the key of the organization that signs them. */
export type SignedBytes = { organization_id: string; key_id: string; signed_digest: Digest };

/** Returns the stored signature, or undefined if there is none. */
export async function findSignature(db: Database, signed: SignedBytes): Promise<Buffer | undefined> {
  const found = await sql<{ signature: Buffer }>`
    select signature from release_signatures where organization_id = ${signed.organization_id}
      and key_id = ${signed.key_id} and signed_digest = ${signed.signed_digest}`.execute(db);
  return found.rows[0]?.signature;
}

/** Stores a signature and returns it. If another worker has already stored a signature, returns that signature. */
export async function keepSignature(tx: Transaction, signed: SignedBytes, signature: Buffer): Promise<Buffer> {
  const kept = await sql<{ signature: Buffer }>`
    insert into release_signatures as s (organization_id, key_id, signed_digest, signature)
    values (${signed.organization_id}, ${signed.key_id}, ${signed.signed_digest}, ${signature})
    on conflict (organization_id, key_id, signed_digest) do update set signature = s.signature
    returning signature`.execute(tx);
  return kept.rows[0]?.signature ?? signature;
}
