// Users of an organization: who they are, and what they may. An addition of Larder, beside version 1.
import { type Static, Type } from 'typebox';
import { defineEndpoint, OWNERS, READERS } from './endpoint.ts';
import { EmailAddress, Id, Match, Name, OptionalFlag, Text, Time, Word } from './field.ts';
import { USERS_MAX } from './limits.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';
import { ROLES } from './vocabulary.ts';

const role = Word(
  ROLES,
  'VIEWER: reads; EDITOR: also changes what is built; OWNER: also who may come in, and where things go.',
);

export const User = Type.Object(
  {
    id: Id('Identifier of the user.'),
    name: Text('Name of the user.'),
    email: Type.Optional(Text('Where mail reaches them. Owners see it, and the user.')),
    role,
    created_at: Time('When they were made.'),
    created_by: Text('Who made them.'),
    updated_at: Time('When they last changed.'),
    updated_by: Text('Who last changed them.'),
    removed_at: Type.Optional(Time('When they were removed.')),
    removed_by: Type.Optional(Text('Who removed them.')),
  },
  { title: 'User' },
);
export type User = Static<typeof User>;

export const UsersPage = PageOf(User, 'UsersPage');

const name = Name('Name of the user, as it stands in records of what they did.');
const email = EmailAddress('Where mail reaches them. No two users of an organization have the same.');

const CreateUserRequest = Type.Object(
  {
    name,
    email: Type.Optional(email),
    role,
    with_api_token: Type.Optional(
      Type.Boolean({ description: 'Whether a first API token is made with them, and answered this once.' }),
    ),
  },
  { title: 'CreateUserRequest' },
);

const UpdateUserRequest = Type.Object(
  { name: Type.Optional(name), email: Type.Optional(email), role: Type.Optional(role) },
  { title: 'UpdateUserRequest' },
);

const NewUser = Type.Object(
  {
    api_token: Type.Optional(Text('The first API token, where it was asked for. It is shown here and nowhere else.')),
  },
  { title: 'NewUser' },
);

const params = Type.Object({ user_id: Id('Identifier of the user.') });
const path = '/larder/v1/users';
const ORDERS = ['NAME', 'CREATED_AT', 'UPDATED_AT'] as const;

const listUsers = defineEndpoint({
  method: 'GET',
  path,
  summary: 'List users',
  description: 'The users of the organization. An addition of Larder.',
  tag: 'Identity',
  access: READERS,
  query: Type.Object({
    removed: OptionalFlag('Only users who were removed, or only those who were not.'),
    role: Type.Optional(Word(ROLES, 'Only users of this role.')),
    name: Type.Optional(Match('Only users whose name has this in it, in capitals or not.')),
    ...orderQuery(ORDERS, 'ASC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of users.', body: UsersPage },
  problems: [400],
});

const createUser = defineEndpoint({
  method: 'POST',
  path,
  summary: 'Make a user',
  description: `With a first API token where that is asked for: one of the user’s role, that reaches as far as the token in use. An organization has at most ${USERS_MAX} users. An addition of Larder.`,
  tag: 'Identity',
  access: OWNERS,
  body: CreateUserRequest,
  success: {
    status: 201,
    description: 'The user was made. This is the only time that the API token is shown.',
    location: `${path}/{id}`,
    body: NewUser,
  },
  problems: [400, 409, 413, 415],
});

const getUser = defineEndpoint({
  method: 'GET',
  path: `${path}/{user_id}`,
  summary: 'Get a user',
  description: 'A removed one too. An addition of Larder.',
  tag: 'Identity',
  access: READERS,
  params,
  success: { status: 200, description: 'The user.', body: User },
  problems: [400, 404],
});

const updateUser = defineEndpoint({
  method: 'PATCH',
  path: `${path}/{user_id}`,
  summary: 'Change a user',
  description:
    'A lesser role holds for their API tokens and for access tokens that are out too, within five seconds. The last owner stays one, and so does the last who can log in. An addition of Larder.',
  tag: 'Identity',
  access: OWNERS,
  params,
  body: UpdateUserRequest,
  success: { status: 204, description: 'The user was changed.' },
  problems: [400, 404, 409, 413, 415],
});

const deleteUser = defineEndpoint({
  method: 'DELETE',
  path: `${path}/{user_id}`,
  summary: 'Remove a user',
  description:
    'Their API tokens are revoked and their sessions end with it; access tokens that are out, and the hosted registry, follow within five seconds. What they did stays under their name. The last owner cannot be removed, nor the last who can log in. An addition of Larder.',
  tag: 'Identity',
  access: OWNERS,
  params,
  success: { status: 204, description: 'The user was removed.' },
  problems: [400, 404, 409],
});

export const userEndpoints = { listUsers, createUser, getUser, updateUser, deleteUser };
