// The handlers of the endpoints for log-in, log-out and the current session.
import { createHash } from 'node:crypto';
import { endpoints } from '../../contract/endpoints.ts';
import { OIDC_SIGN_IN_PATH } from '../../contract/session.ts';
import { describeCaller } from '../../identity/caller.ts';
import { IdentityError } from '../../identity/errors.ts';
import type { PasswordHashes } from '../../identity/password-hashes.ts';
import { checkPassword, findPasswordHash, keepPassword } from '../../identity/passwords.ts';
import { createSession, endSessions } from '../../identity/sessions.ts';
import { IDENTITY_PROBLEMS, invalid, Rejection } from '../answer/problems.ts';
import { requireNoWait, unavailable } from '../answer/rejections.ts';
import type { Context, Handler, PublicContext } from '../handler.ts';
import { clearSessionCookie, requireOwnPage, sessionSecretOf, setSessionCookie } from '../sign-in/session-cookie.ts';

const signInWithPassword: Handler<'signInWithPassword'> = async (context, input) => {
  const { db, identity, origin, request, reply } = context;
  requireOwnPage(request, origin);
  const hashes = passwordsOf(identity);
  const user = await countedCheck(context, input, () => checkPassword(db, hashes, input));
  const source = { request_id: request.id, address: request.ip };
  const before = sessionSecretOf(request, origin);
  const { secret } = await context.write((tx) =>
    createSession(tx, user, { way: 'signInWithPassword', source, instead_of: before }),
  );
  setSessionCookie(reply, origin, secret);
  return describeCaller(db, user);
};

/** The ways to log in, in the order in which a page should offer them. */
const listSignInWays: Handler<'listSignInWays'> = async ({ identity }) => {
  const password = { type: 'PASSWORD' as const, name: 'Password', url: endpoints.signInWithPassword.path };
  const oidc = { type: 'OIDC' as const, name: identity.oidc?.name ?? '', url: OIDC_SIGN_IN_PATH };
  return { items: [...(identity.oidc ? [oidc] : []), ...(identity.passwords ? [password] : [])] };
};

function passwordsOf({ passwords }: PublicContext['identity']): PasswordHashes {
  if (passwords === undefined) throw new Rejection('passwords-off');
  return passwords;
}

const signOut: Handler<'signOut'> = async (context) => {
  const { caller, origin, reply } = context;
  const { session_id } = caller;
  await context.write(async (tx) => {
    if (session_id !== undefined) await endSessions(tx, { ...caller, session_id });
  });
  if (session_id === undefined) return;
  clearSessionCookie(reply, origin);
};

const getSession: Handler<'getSession'> = ({ db, caller }) => describeCaller(db, caller);

const setPassword: Handler<'setPassword'> = async (context, input) => {
  const { db, caller, identity } = context;
  const { email, new_password, current_password } = input;
  const hashes = passwordsOf(identity);
  const hash = await findPasswordHash(db, caller);
  if (hash !== undefined) await requireCurrent(context, hash, current_password);
  try {
    const password_hash = await hashes.hash(new_password);
    await context.write((tx) => keepPassword(tx, caller, { email, password_hash, instead_of: hash }));
  } catch (error) {
    throw wrongCurrent(error) ?? rejectionFor(error);
  }
};

async function requireCurrent(context: Context, hash: string, given: string | undefined): Promise<void> {
  if (given === undefined) throw invalid([{ field: 'current_password', message: 'It is required.' }]);
  const { caller, identity } = context;
  const hashes = passwordsOf(identity);
  try {
    await countedCheck(context, { email: caller.user_id, password: given }, async () => {
      if (!(await hashes.matches(given, hash))) {
        throw new IdentityError('PASSWORD_WRONG', 'The password is wrong');
      }
    });
  } catch (error) {
    throw error instanceof Rejection && error.code === 'password-wrong' ? (wrongCurrent(error.cause) ?? error) : error;
  }
}

function wrongCurrent(error: unknown): Rejection | undefined {
  if (!(error instanceof IdentityError) || error.code !== 'PASSWORD_WRONG') return undefined;
  return invalid([{ field: 'current_password', message: 'The password is wrong.' }], { cause: error });
}

/** Checks a password and counts it if it is wrong. Throws Rejection (too-many-requests) after too many wrong passwords. */
async function countedCheck<T>(
  { identity, request }: Pick<PublicContext, 'identity' | 'request'>,
  given: { email: string; password: string },
  check: () => Promise<T>,
): Promise<T> {
  // Failed log-ins are counted under the first characters of this digest, like failed tokens. So the memory contains no
  // e-mail addresses.
  const account = createHash('sha256').update(given.email.toLowerCase()).digest('base64url').slice(0, 16);
  const attempt = { address: request.ip, secret: account + given.password };
  requireNoWait(identity.failedLogins.waitBeforeGuess(attempt));
  try {
    return await check();
  } catch (error) {
    const isWrong = error instanceof IdentityError && error.code === 'PASSWORD_WRONG';
    if (isWrong) requireNoWait(identity.failedLogins.failed(attempt));
    throw rejectionFor(error);
  }
}

function rejectionFor(error: unknown): unknown {
  if (!(error instanceof IdentityError)) return error;
  if (error.code === 'BUSY') return unavailable(error.message, error);
  const code = IDENTITY_PROBLEMS[error.code];
  return code === undefined ? error : new Rejection(code, { cause: error });
}

export const sessionHandlers = { listSignInWays, signInWithPassword, signOut, getSession, setPassword };
