// The key pairs with which this installation signs tokens. The public keys are published. The private keys are stored sealed.
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
} from 'jose';
import { sql } from 'kysely';
import type { Database, Transaction } from '../db/database.ts';
import { json } from '../db/tables.ts';
import type { InstallationKey } from './installation-key.ts';
import { INSTALLATION, seal, unseal } from './sealed.ts';

/** Ed25519 (RFC 8037) is small and fast, and has no nonce that could be misused. No other algorithm is accepted. */
export const SIGNING_ALGORITHM = 'EdDSA';

export type SigningKeys = {
  /** Identifies this installation in every token, so that tokens of other installations are rejected. */
  issuer: string;
  /** The key with which new tokens are signed. */
  current: { kid: string; privateKey: CryptoKey };
  /** The public keys with which tokens are verified, by kid. */
  publicKeys: ReadonlyMap<string, CryptoKey>;
  /** The public keys in the format of RFC 7517. */
  jwks: JSONWebKeySet;
};

/** Makes the first key pair. The caller must have locked the row of the installation. */
export async function ensureSigningKey(tx: Transaction, key: InstallationKey): Promise<void> {
  const found = await tx.selectFrom('signing_keys').select('kid').limit(1).executeTakeFirst();
  if (!found) await addSigningKey(tx, key);
}

/**
 * Makes another key pair, which signs all tokens from now on. The older key pairs still verify the tokens that they signed.
 */
export async function addSigningKey(tx: Transaction, key: InstallationKey): Promise<void> {
  const { publicKey, privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { crv: 'Ed25519', extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const sealed = seal(key, JSON.stringify(await exportJWK(privateKey)), ownerOf(kid));
  await tx
    .insertInto('signing_keys')
    .values({ kid, public_jwk: json({ ...publicJwk }), sealed_private_jwk: sealed })
    .execute();
}

/** Loads the key pairs. The newest key pair signs. Throws IdentityError SEAL_BROKEN. */
export async function loadSigningKeys(db: Database, key: InstallationKey): Promise<SigningKeys> {
  const rows = await db.selectFrom('signing_keys').selectAll().orderBy('created_at', 'desc').execute();
  const { issuer } = await db.selectFrom('installation').select('issuer').executeTakeFirstOrThrow();
  const [newest] = rows;
  if (!newest || issuer === null) throw new Error('The installation has no signing key');
  const privateJwk = JSON.parse(unseal(key, newest.sealed_private_jwk, ownerOf(newest.kid))) as JWK;
  const publicKeys = await Promise.all(
    rows.map(async ({ kid, public_jwk }) => [kid, await importPublicKey(kid, public_jwk)] as const),
  );
  // Exports the keys again, because the stored value may contain more than a public key. So only the public key is published.
  const keys = await Promise.all(
    publicKeys.map(async ([kid, publicKey]) => ({
      ...(await exportJWK(publicKey)),
      ...{ kid, alg: SIGNING_ALGORITHM, use: 'sig' },
    })),
  );
  return {
    issuer,
    current: { kid: newest.kid, privateKey: await importKey(privateJwk) },
    publicKeys: new Map(publicKeys),
    jwks: { keys },
  };
}

/**
 * Deletes the older key pairs when the newest key pair has signed for two hours. By then, all tokens that the older key pairs
 * signed have expired.
 */
export async function forgetOldSigningKeys(tx: Transaction): Promise<void> {
  await sql`
    delete from signing_keys old using (select max(created_at) as at from signing_keys) newest
    where old.created_at < newest.at and newest.at < now() - interval '2 hours'`.execute(tx);
}

/** Throws an error that names the key if the stored value is not a public key of SIGNING_ALGORITHM. */
async function importPublicKey(kid: string, publicJwk: JWK): Promise<CryptoKey> {
  try {
    const key = await importKey(publicJwk);
    if (key.type !== 'public') throw new TypeError('it is not a public key');
    return key;
  } catch (error) {
    throw new Error(`The stored signing key ${kid} cannot be read by this version of Larder`, { cause: error });
  }
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, SIGNING_ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError('A signing key must be a key pair');
  return key;
}

function ownerOf(kid: string): { organization_id: string; row_id: string } {
  return { organization_id: INSTALLATION, row_id: `signing_key ${kid}` };
}
