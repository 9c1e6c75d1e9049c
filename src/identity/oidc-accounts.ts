// Finds the user of an account (issuer and subject) at the identity provider. A user can connect an account. Otherwise, the
// first log-in with the account creates the user.
import { sql } from 'kysely';
import type { Role } from '../contract/vocabulary.ts';
import { recordAuditEvent } from '../db/audit-trail.ts';
import { now } from '../db/clock.ts';
import type { Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';
import { IdentityError } from './errors.ts';
import { findInstallationOrganization } from './installation-organizations.ts';
import type { OidcPerson } from './oidc-claims.ts';
import type { LoginSource } from './sessions.ts';
import { requireOtherOwner, requireUsersBelowLimit } from './users.ts';
import { lockUsers } from './users-lock.ts';
import { keepWayIn, type WaysIn } from './ways-in.ts';

export type AccountUser = { organization_id: string; user_id: string };

/** The recorded actor if a log-in creates a user, or if a claim changes the user's role. */
const LARDER = 'Larder';

/**
 * Returns the user of a person who logs in, with the role that the claim gives. If the person has no user yet and the
 * operator's settings give the person a role, creates a user. Throws IdentityError NOT_ADMITTED, LAST_OWNER, LAST_WAY_IN and
 * LIMIT_REACHED.
 */
export async function admitPerson(
  tx: Transaction,
  person: OidcPerson,
  options: { organization: string | undefined; source: LoginSource; waysIn: WaysIn },
): Promise<AccountUser> {
  await lockAccount(tx, person);
  const known = await findAccount(tx, person);
  if (known === undefined) return await createFor(tx, person, options);
  if (known.removed_at !== null) throw notAdmitted('The user of this account was removed.');
  if (person.organization !== undefined && person.organization !== known.namespace) {
    throw notAdmitted('The provider assigns this account to another organization than Larder does.');
  }
  if (person.role_by_claim) {
    const { source, waysIn } = options;
    await keepWayIn(tx, { ...known, waysIn }, () => followClaim(tx, known, { person, source }));
  }
  await tx
    .updateTable('oidc_accounts')
    .set({ last_used_at: now })
    .where('issuer', '=', person.issuer)
    .where('subject', '=', person.subject)
    .execute();
  return { organization_id: known.organization_id, user_id: known.user_id };
}

/**
 * Connects a person's account to the user who is logged in. Throws IdentityError ACCOUNT_TAKEN if the account is connected to
 * another user. A removed user does not count.
 */
export async function connectAccount(
  tx: Transaction,
  person: Pick<OidcPerson, 'issuer' | 'subject'>,
  { user, source }: { user: AccountUser & { name: string }; source: LoginSource },
): Promise<void> {
  await lockAccount(tx, person);
  const known = await findAccount(tx, person);
  if (known !== undefined && known.user_id === user.user_id) return;
  if (known !== undefined && known.removed_at === null) {
    throw new IdentityError('ACCOUNT_TAKEN', 'Another user logs in with this account at the provider.');
  }
  const { organization_id, user_id } = user;
  const { issuer, subject } = person;
  // If the account belonged to a removed user, another user may connect it.
  await tx.deleteFrom('oidc_accounts').where('issuer', '=', issuer).where('subject', '=', subject).execute();
  await tx.insertInto('oidc_accounts').values({ issuer, subject, organization_id, user_id }).execute();
  await recordAuditEvent(tx, {
    ...{ organization_id, actor_id: user_id, actor_name: user.name },
    ...{ action: 'connectOidcAccount', subject_kind: 'user', subject_id: user_id },
    ...source,
  });
}

/** Locks the account, so that concurrent log-ins with it create only one user. */
async function lockAccount(
  tx: Transaction,
  { issuer, subject }: Pick<OidcPerson, 'issuer' | 'subject'>,
): Promise<void> {
  await lockName(tx, ['oidc-account', issuer, subject]);
}

function findAccount(tx: Transaction, { issuer, subject }: Pick<OidcPerson, 'issuer' | 'subject'>) {
  return tx
    .selectFrom('oidc_accounts as a')
    .innerJoin('users as u', 'u.id', 'a.user_id')
    .innerJoin('organizations as o', 'o.id', 'u.organization_id')
    .where('a.issuer', '=', issuer)
    .where('a.subject', '=', subject)
    .select(['u.id as user_id', 'u.organization_id', 'u.name', 'u.role', 'u.removed_at', 'o.namespace'])
    .executeTakeFirst();
}

type Known = AccountUser & { name: string; role: Role };

async function followClaim(
  tx: Transaction,
  user: Known,
  { person: { role }, source }: { person: OidcPerson; source: LoginSource },
): Promise<void> {
  if (role === undefined) throw notAdmitted('The provider assigns no role in Larder to this account.');
  if (role === user.role) return;
  const { organization_id, user_id } = user;
  await lockUsers(tx, user);
  if (role !== 'OWNER') await requireOtherOwner(tx, user, user_id);
  await tx
    .updateTable('users')
    .set({ role, updated_at: now, updated_by: LARDER })
    .where('id', '=', user_id)
    .where('organization_id', '=', organization_id)
    .execute();
  await recordAuditEvent(tx, {
    ...{ organization_id, actor_name: LARDER, action: 'updateUser', changed_fields: ['role'] },
    ...{ subject_kind: 'user', subject_id: user_id },
    ...source,
  });
}

async function createFor(
  tx: Transaction,
  person: OidcPerson,
  { organization, source }: { organization: string | undefined; source: LoginSource },
): Promise<AccountUser> {
  const { issuer, subject, name, role } = person;
  if (role === undefined) {
    throw notAdmitted(
      'No user is connected to this account: a user connects it after logging in, or the operator admits new users.',
    );
  }
  const organization_id = await findOrganization(tx, person.organization ?? organization);
  if (organization_id === undefined) throw notAdmitted('The organization of this account does not exist in Larder.');
  await lockUsers(tx, { organization_id });
  await requireUsersBelowLimit(tx, { organization_id });
  const email = await freeEmail(tx, organization_id, person.email);
  const { id: user_id } = await tx
    .insertInto('users')
    .values({ organization_id, name, email, role, created_by: LARDER, updated_by: LARDER })
    .returning('id')
    .executeTakeFirstOrThrow();
  await tx.insertInto('oidc_accounts').values({ issuer, subject, organization_id, user_id }).execute();
  await recordAuditEvent(tx, {
    ...{ organization_id, actor_name: LARDER, action: 'createUser', subject_kind: 'user', subject_id: user_id },
    ...source,
  });
  return { organization_id, user_id };
}

/** Returns the organization with this namespace. Without a namespace, returns the organization that owns the installation. */
async function findOrganization(tx: Transaction, namespace: string | undefined): Promise<string | undefined> {
  if (namespace === undefined) return (await findInstallationOrganization(tx))?.id;
  const found = tx.selectFrom('organizations').select('id').where('namespace', '=', namespace);
  return (await found.executeTakeFirst())?.id;
}

/**
 * Returns the e-mail address for a new user. Returns null if another user has it, because an address does not prove who a
 * person is.
 */
async function freeEmail(tx: Transaction, organizationId: string, email: string | undefined): Promise<string | null> {
  if (email === undefined) return null;
  const taken = await tx
    .selectFrom('users')
    .where('organization_id', '=', organizationId)
    .where(sql`lower(email)`, '=', sql`lower(${email})`)
    .where('removed_at', 'is', null)
    .select('id')
    .executeTakeFirst();
  return taken === undefined ? email : null;
}

function notAdmitted(message: string): IdentityError {
  return new IdentityError('NOT_ADMITTED', message);
}
