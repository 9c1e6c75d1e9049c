// Log-in at an identity provider: from the first redirect until there is a session.
import { type Database, inTransaction } from '../db/database.ts';
import type { Egress } from '../egress/egress.ts';
import { describeCaller } from './caller.ts';
import { IdentityError } from './errors.ts';
import { type AccountUser, admitPerson, connectAccount } from './oidc-accounts.ts';
import { personOf } from './oidc-claims.ts';
import { openOidcClient } from './oidc-client.ts';
import type { OidcSettings } from './oidc-settings.ts';
import { newTicketChecks, type Seals, type Ticket, takeTicket, writeTicket } from './oidc-tickets.ts';
import { requireWholeReach } from './passwords.ts';
import type { Principal } from './principal.ts';
import { createSession, getSessionHolder, type LoginSource } from './sessions.ts';
import type { WaysIn } from './ways-in.ts';

export type OidcProvider = {
  /** The name of the provider that people see: its host. */
  name: string;
  /**
   * Returns the address of the provider to which the browser is sent, and the ticket for the browser's cookie. With a caller,
   * the log-in connects an account to the caller's user. Throws IdentityError PROVIDER_FAILED, and TOKEN_LESSER if the
   * caller's token has fewer rights than its user.
   */
  begin(request: {
    redirect_uri: string;
    return_to: string;
    caller?: Principal;
  }): Promise<{ url: URL; ticket: string }>;
  /**
   * Finishes a log-in, even if another server has begun it. Returns the path to which the browser goes. Unless an account was
   * connected, also returns the secret of the new session. Throws IdentityError SIGN_IN_OVER, SIGN_IN_DENIED, NOT_ADMITTED,
   * ACCOUNT_TAKEN, PROVIDER_FAILED, LAST_OWNER, LAST_WAY_IN.
   */
  finish(given: Returned): Promise<{ return_to: string; secret?: string }>;
};

type Returned = {
  ticket: string | undefined;
  /** The address, with its parameters, to which the provider sent the browser. */
  returned: URL;
  /** The secret of the session that the browser has, if any. */
  session: string | undefined;
  source: LoginSource;
};

type Parts = { db: Database; egress: Pick<Egress, 'fetch'>; seals: Seals; waysIn: WaysIn };

/** Opens the provider. Sends no request to it before the first log-in. */
export function openOidcProvider(settings: OidcSettings, { db, egress, seals, waysIn }: Parts): OidcProvider {
  const client = openOidcClient(settings, egress);
  return {
    name: new URL(settings.issuer).host,
    async begin({ redirect_uri, return_to, caller }) {
      if (caller !== undefined) await inTransaction(db, (tx) => requireWholeReach(tx, caller));
      const checks = newTicketChecks();
      const url = await client.authorizationUrl(checks, redirect_uri);
      const user = caller && ticketUser(caller);
      return { url, ticket: await writeTicket(db, seals, { checks, return_to, ...(user && { user }) }) };
    },
    async finish({ ticket: text, returned, session, source }) {
      const state = returned.searchParams.get('state');
      const { checks, return_to, user } = await takeTicket(db, seals, { text, state });
      const claims = await client.redeem(checks, returned);
      const person = personOf(claims, settings);
      if (user !== undefined) {
        const holder = await holderOf(db, session, user);
        await inTransaction(db, (tx) => connectAccount(tx, person, { user: holder, source }));
        return { return_to };
      }
      const { organization } = settings;
      const { secret } = await inTransaction(db, async (tx) => {
        const admitted = await admitPerson(tx, person, { organization, source, waysIn });
        return await createSession(tx, admitted, { way: 'signInWithOidc', source, instead_of: session });
      });
      return { return_to, secret };
    },
  };
}

function ticketUser({ organization_id, user_id, session_id }: Principal): Ticket['user'] {
  return { organization_id, user_id, ...(session_id !== undefined && { session_id }) };
}

/**
 * Returns the user who began to connect an account. Throws if the user was removed, or if the session in which the user began
 * has ended.
 */
async function holderOf(
  db: Database,
  session: string | undefined,
  user: NonNullable<Ticket['user']>,
): Promise<AccountUser & { name: string }> {
  if (user.session_id === undefined) {
    const { user: found } = await describeCaller(db, user);
    return { ...user, name: found.name };
  }
  const holder = await getSessionHolder(db, session ?? '');
  if (holder.user_id !== user.user_id)
    throw new IdentityError('SIGN_IN_OVER', 'This browser is now logged in as another user');
  return holder;
}
