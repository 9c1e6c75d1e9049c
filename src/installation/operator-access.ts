// The functions of the operator's commands that give access. They create an API token or set a password directly in the
// database.
import { resolve } from 'node:path';
import { EMAIL_LENGTH_MAX, NAME_LENGTH_MAX, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN } from '../contract/limits.ts';
import { SIGN_IN_NAME } from '../contract/session.ts';
import type { Role, TokenScope } from '../contract/vocabulary.ts';
import { OPERATOR, recordAuditEvent } from '../db/audit-trail.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { createApiToken } from '../identity/api-tokens.ts';
import { IdentityError } from '../identity/errors.ts';
import { findOrganizationNamed } from '../identity/installation-organizations.ts';
import { type NamedUser, namedUser, onlyOwner } from '../identity/named-users.ts';
import { properName } from '../identity/organizations.ts';
import { openPasswordHashes } from '../identity/password-hashes.ts';
import { findSignInName, replacePassword } from '../identity/passwords.ts';
import { lesserRole } from '../identity/roles.ts';
import { withOperatorDatabase } from './operator-database.ts';
import { writeSecretFile } from './secret-file.ts';

export type OperatorTokenOptions = {
  /** The namespace, name or id of the organization. */
  organization: string;
  /** The name, e-mail address or id of the user. The default is the only owner of the organization. */
  user?: string | undefined;
  /** The default is the role of the user. */
  role?: Role | undefined;
  scopes?: readonly TokenScope[] | undefined;
  name?: string | undefined;
  expires_in_days?: number | undefined;
  /** The file to which the token is written. The file must not exist. If absent, the token is printed. */
  to_file?: string | undefined;
};

export type OperatorToken = {
  id: string;
  organization: { id: string; name: string };
  user: { id: string; name: string };
  role: Role;
  expires_at: Date;
  api_token?: string;
  file?: string;
};

const TOKEN_NAME = 'made by the operator';

/**
 * Creates an API token of a user. Ignores the limit of tokens, because an operator who restores access cannot log in to
 * revoke a token first. Throws IdentityError and SecretFileError. After an error, no token exists.
 */
export function createTokenByOperator(options: OperatorTokenOptions): Promise<OperatorToken> {
  const file = options.to_file === undefined ? undefined : resolve(options.to_file);
  return withOperatorDatabase('tokens', async (db) => {
    let removeFile: (() => Promise<void>) | undefined;
    try {
      return await inTransaction(db, async (tx) => {
        // The transaction may run again and then creates another token. So the file with the first token is removed.
        await removeFile?.();
        const { secret, ...made } = await createToken(tx, options);
        if (file === undefined) return { ...made, api_token: secret };
        removeFile = await writeSecretFile(file, 'The API token', secret);
        return { ...made, file };
      });
    } catch (error) {
      await removeFile?.();
      throw error;
    }
  });
}

async function createToken(
  tx: Transaction,
  options: OperatorTokenOptions,
): Promise<Omit<OperatorToken, 'api_token' | 'file'> & { secret: string }> {
  const { organization, user } = await findUser(tx, options);
  const role = options.role ?? user.role;
  if (lesserRole(role, user.role) !== role) {
    const message = `${user.name} has the role ${user.role}, and a token cannot have a higher one: choose another --role or --user`;
    throw new IdentityError('INVALID', message);
  }
  const owner = { organization_id: organization.id, user_id: user.id };
  const { scopes, expires_in_days } = options;
  const name = properName(options.name ?? TOKEN_NAME, NAME_LENGTH_MAX);
  const token = await createApiToken(tx, owner, {
    name,
    role,
    created_by: OPERATOR,
    expires_in_days,
    ...(scopes && { scopes }),
  });
  await recordAuditEvent(tx, {
    ...{ organization_id: organization.id, actor_name: OPERATOR, action: 'issueApiToken' },
    ...{ subject_kind: 'api_token', subject_id: token.id },
    changed_fields: ['name', 'user_id', 'role', 'scopes', 'expires_at'],
  });
  return {
    ...{ id: token.id, organization, user: { id: user.id, name: user.name } },
    ...{ role, expires_at: token.expires_at, secret: token.secret },
  };
}

export type OperatorPasswordOptions = {
  organization: string;
  user?: string | undefined;
  /**
   * The name with which the user logs in. The default is the current name. If there is none, it is the user's e-mail address.
   */
  email?: string | undefined;
};

export type SetPassword = { organization: { name: string }; user: { name: string }; email: string };

/**
 * Sets the password of a user and ends all sessions of the user. Calls `readPassword` only after all other checks, so that
 * the operator does not type a password in vain. Throws IdentityError.
 */
export function setPasswordByOperator(
  options: OperatorPasswordOptions,
  readPassword: () => Promise<string>,
): Promise<SetPassword> {
  return withOperatorDatabase('users', async (db, { passwords }) => {
    if (!passwords) {
      throw new IdentityError('INVALID', 'LARDER_PASSWORDS is off: log-in by password is disabled');
    }
    await findUserAndName(db, options);
    const password_hash = await openPasswordHashes().hash(properPassword(await readPassword()));
    return await inTransaction(db, async (tx) => {
      const { organization, user, email } = await findUserAndName(tx, options);
      await replacePassword(tx, { organization_id: organization.id, user_id: user.id }, { email, password_hash });
      await recordAuditEvent(tx, {
        ...{ organization_id: organization.id, actor_name: OPERATOR, action: 'setPassword' },
        ...{ subject_kind: 'user', subject_id: user.id, changed_fields: ['email', 'new_password'] },
      });
      return { organization, user, email };
    });
  });
}

async function findUserAndName(db: Database, options: OperatorPasswordOptions) {
  const { organization, user } = await findUser(db, options);
  const email = options.email ?? (await findSignInName(db, user.id)) ?? user.email;
  if (email === null) {
    throw new IdentityError('INVALID', `${user.name} has no e-mail address to log in with: give one with --email`);
  }
  if (!new RegExp(SIGN_IN_NAME).test(email) || email.length > EMAIL_LENGTH_MAX) {
    throw new IdentityError('NAME_INVALID', `${email} is not an e-mail address`);
  }
  return { organization, user, email };
}

async function findUser(
  db: Database,
  options: { organization: string; user?: string | undefined },
): Promise<{ organization: { id: string; name: string }; user: NamedUser }> {
  const organization = await findOrganizationNamed(db, options.organization);
  if (organization === undefined) {
    throw new IdentityError('NOT_FOUND', `There is no organization ${options.organization}`);
  }
  const user =
    options.user === undefined
      ? await onlyOwner(db, organization.id)
      : await namedUser(db, organization.id, options.user);
  return { organization, user };
}

function properPassword(password: string): string {
  const { length } = [...password];
  if (length >= PASSWORD_LENGTH_MIN && length <= PASSWORD_LENGTH_MAX) return password;
  throw new IdentityError(
    'INVALID',
    `A password must have ${PASSWORD_LENGTH_MIN} to ${PASSWORD_LENGTH_MAX} characters, and this one has ${length}`,
  );
}
