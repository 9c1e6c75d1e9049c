// Log-in and sessions of people. Larder adds this to version 1 of the API.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { Id, Text, Word } from './field.ts';
import { EMAIL_LENGTH_MAX, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN } from './limits.ts';
import { ROLES, SIGN_IN_WAYS } from './vocabulary.ts';

export const Session = Type.Object(
  {
    user: Type.Object(
      { id: Id('Identifier of the user.'), name: Text('Name of the user.') },
      { title: 'SessionUser', description: 'The caller.' },
    ),
    role: Word(ROLES, 'Role of the caller.'),
    organization: Type.Object(
      {
        id: Id('Identifier of the organization.'),
        name: Text('Name of the organization.'),
        namespace: Text('First segment of its repository names in the hosted registry.'),
      },
      { title: 'SessionOrganization', description: 'The caller’s organization.' },
    ),
  },
  { title: 'Session' },
);
export type Session = Static<typeof Session>;

/** A name to log in with. */
export const SIGN_IN_NAME = '^[^\\s@\\u0000]+@[^\\s@\\u0000]+$';

const email = Type.String({
  minLength: 3,
  maxLength: EMAIL_LENGTH_MAX,
  pattern: SIGN_IN_NAME,
  expects: 'an e-mail address',
  description: 'The name for logging in: an e-mail address.',
});

function password(description: string, minLength: number) {
  return Type.String({ minLength, maxLength: PASSWORD_LENGTH_MAX, description });
}

const signInWithPassword = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/sign-in/password',
  summary: 'Log in with a password',
  description:
    'Begins a session and sets its cookie. The session ends with `POST /larder/v1/sign-out`, after twelve hours, or after two hours without use. A request that changes something with the cookie must come from the service’s own origin, as browsers state in `Sec-Fetch-Site` or `Origin`. An addition of Larder.',
  tag: 'Authentication',
  access: 'PUBLIC',
  body: Type.Object({ email, password: password('The password.', 1) }, { title: 'PasswordSignIn' }),
  success: { status: 200, description: 'The session has begun.', body: Session, fleeting: true },
  problems: [400, 401, 403, 413, 415, 429],
});

/**
 * The page at which a browser begins the log-in. The identity provider sends the browser back to the path `callback` below
 * it.
 */
export const OIDC_SIGN_IN_PATH = '/larder/v1/sign-in/oidc';

const SignInWay = Type.Object(
  {
    type: Word(SIGN_IN_WAYS, 'Way to log in.'),
    name: Text('Name of the way to log in: for OIDC the host of the provider.'),
    url: Text('Path of the service: for PASSWORD an operation of this document (POST), for OIDC a page for browsers.'),
  },
  { title: 'SignInWay' },
);

const listSignInWays = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/sign-in',
  summary: 'List the ways to log in',
  description: `A browser that opens \`${OIDC_SIGN_IN_PATH}?return_to=/path\` is redirected to the identity provider and comes back to that path of the service with the cookie of a session. \`POST ${OIDC_SIGN_IN_PATH}\` with such a cookie, or with an access token that has all rights of its user, returns the \`url\` at which the user connects an account of the provider. An addition of Larder.`,
  tag: 'Authentication',
  access: 'PUBLIC',
  success: {
    status: 200,
    description: 'The ways.',
    body: Type.Object({ items: Type.Array(SignInWay) }, { title: 'SignInWays' }),
    fleeting: true,
  },
  problems: [400],
});

const signOut = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/sign-out',
  summary: 'Log out',
  description:
    'Ends the session of the cookie. With an access token there is no session, so nothing changes. An addition of Larder.',
  tag: 'Authentication',
  access: READERS,
  success: { status: 204, description: 'The session has ended.' },
  problems: [400],
});

const getSession = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/session',
  summary: 'Get the caller',
  description: 'Returns the caller, for a session and for an access token. An addition of Larder.',
  tag: 'Authentication',
  access: READERS,
  success: { status: 200, description: 'The caller.', body: Session, fleeting: true },
  problems: [400],
});

const setPassword = defineEndpoint({
  method: 'PUT',
  path: '/larder/v1/password',
  summary: 'Set your own password',
  description:
    'Sets the caller’s password. `current_password` is required if there is one. All sessions of the user end. A token with fewer rights than its user cannot set a password. An addition of Larder.',
  tag: 'Authentication',
  access: READERS,
  body: Type.Object(
    {
      email,
      new_password: password('The new password.', PASSWORD_LENGTH_MIN),
      current_password: Type.Optional(password('The current password.', 1)),
    },
    { title: 'PasswordChange' },
  ),
  success: { status: 204, description: 'The password is set.' },
  problems: [400, 409, 413, 415, 429],
});

export const sessionEndpoints = { listSignInWays, signInWithPassword, signOut, getSession, setPassword };
