// The ticket of a log-in at the identity provider. The browser keeps it in a cookie until the provider sends the browser
// back. The ticket is sealed, expires soon, and is valid for one return, at any server.
import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { currentTime, now } from '../db/clock.ts';
import { type Database, inTransaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { Checks } from './oidc-client.ts';
import { INSTALLATION, type SealOwner } from './sealed.ts';

/** A person has this long for the log-in at the provider. It is enough time to get a telephone for the second factor. */
export const SIGN_IN_MINUTES = 10;

/**
 * 32 bytes are 256 bits, which cannot be guessed. In base64url, the secret is also a valid PKCE code verifier (RFC 7636,
 * section 4.1).
 */
const SECRET_BYTES = 32;

const OWNER: SealOwner = { organization_id: INSTALLATION, row_id: 'oidc ticket' };

export type Ticket = {
  id: string;
  /** In milliseconds, by the database's clock. */
  expires_at: number;
  checks: Checks;
  /** The path in Larder to which the browser goes after the log-in. */
  return_to: string;
  /** The user to whom the account is to be connected. Absent if a person logs in. */
  user?: { organization_id: string; user_id: string; session_id?: string };
};

export type Seals = {
  seal(plaintext: string, owner: SealOwner): Buffer;
  unseal(sealed: Buffer, owner: SealOwner): string;
};

export function newTicketChecks(): Checks {
  const secret = () => randomBytes(SECRET_BYTES).toString('base64url');
  return { state: secret(), nonce: secret(), verifier: secret() };
}

/** Creates a ticket and returns it sealed, as the value of a cookie. */
export async function writeTicket(
  db: Database,
  seals: Seals,
  given: Pick<Ticket, 'checks' | 'return_to' | 'user'>,
): Promise<string> {
  const expires_at = (await currentTime(db)).getTime() + SIGN_IN_MINUTES * 60_000;
  const ticket: Ticket = { id: randomUUID(), expires_at, ...given };
  return seals.seal(JSON.stringify(ticket), OWNER).toString('base64url');
}

/**
 * Opens a ticket and marks it as used. Throws IdentityError SIGN_IN_OVER if the ticket is missing, expired, already used, or
 * has another state. A ticket with another state is not marked as used.
 */
export async function takeTicket(
  db: Database,
  seals: Seals,
  { text, state }: { text: string | undefined; state: string | null },
): Promise<Ticket> {
  const ticket = readTicket(seals, text);
  if (ticket.checks.state !== state) throw over();
  const isFirst = await inTransaction(db, async (tx) => {
    await tx.deleteFrom('oidc_returns').where('expires_at', '<', now).execute();
    const taken = await sql`
      insert into oidc_returns (id, expires_at)
      select ${ticket.id}::uuid, at from (select to_timestamp(${ticket.expires_at}::double precision / 1000) as at) t
      where at > now() on conflict do nothing returning id`.execute(tx);
    return taken.rows.length > 0;
  });
  if (!isFirst) throw over();
  return ticket;
}

function readTicket(seals: Seals, text: string | undefined): Ticket {
  if (text === undefined) throw over();
  try {
    return JSON.parse(seals.unseal(Buffer.from(text, 'base64url'), OWNER)) as Ticket;
  } catch (error) {
    if (error instanceof IdentityError && error.code === 'SEAL_BROKEN') throw over();
    throw error;
  }
}

function over(): IdentityError {
  return new IdentityError('SIGN_IN_OVER', 'The log-in has expired');
}
