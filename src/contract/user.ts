// Users of an organization and their roles. Larder adds this to version 1 of the API.
import { type Static, Type } from 'typebox';
import { defineEndpoint, OWNERS, READERS } from './endpoint.ts';
import { EmailAddress, Id, Match, Name, OptionalFlag, Text, Time, Word } from './field.ts';
import { USERS_MAX } from './limits.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';
import { ROLES } from './vocabulary.ts';

const role = Word(
  ROLES,
  'VIEWER: can read; EDITOR: can also change applications, customizations, base images, registries and notification providers; OWNER: can also manage users and all API tokens, change the settings of catalogs, and read the audit trail.',
);

export const User = Type.Object(
  {
    id: Id('Identifier of the user.'),
    name: Text('Name of the user.'),
    email: Type.Optional(Text('E-mail address, visible to owners and to the user.')),
    role,
    created_at: Time('When the user was created.'),
    created_by: Text('Who created the user.'),
    updated_at: Time('When the user last changed.'),
    updated_by: Text('Who last changed the user.'),
    removed_at: Type.Optional(Time('When the user was removed.')),
    removed_by: Type.Optional(Text('Who removed the user.')),
  },
  { title: 'User' },
);
export type User = Static<typeof User>;

export const UsersPage = PageOf(User, 'UsersPage');

const name = Name('Name of the user, as recorded with their changes.');
const email = EmailAddress('E-mail address, unique in the organization.');

const CreateUserRequest = Type.Object(
  {
    name,
    email: Type.Optional(email),
    role,
    with_api_token: Type.Optional(
      Type.Boolean({ description: 'Whether to create an API token too; it is returned only in this answer.' }),
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
    api_token: Type.Optional(Text('The API token, if it was requested. No other answer contains it.')),
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
  description: 'Lists the users of the organization. An addition of Larder.',
  tag: 'Identity',
  access: READERS,
  query: Type.Object({
    removed: OptionalFlag('true: only removed users; false: only the others.'),
    role: Type.Optional(Word(ROLES, 'Only users of this role.')),
    name: Type.Optional(Match('Only users whose name contains this, ignoring case.')),
    ...orderQuery(ORDERS, 'ASC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of users.', body: UsersPage },
  problems: [400],
});

const createUser = defineEndpoint({
  method: 'POST',
  path,
  summary: 'Create a user',
  description: `Creates a user and, on request, an API token with the user’s role and the scopes of the token in use. An organization has at most ${USERS_MAX} users. An addition of Larder.`,
  tag: 'Identity',
  access: OWNERS,
  body: CreateUserRequest,
  success: {
    status: 201,
    description: 'The user was created. No later answer contains the API token.',
    location: `${path}/{id}`,
    body: NewUser,
  },
  problems: [400, 409, 413, 415],
});

const getUser = defineEndpoint({
  method: 'GET',
  path: `${path}/{user_id}`,
  summary: 'Get a user',
  description: 'Returns one user, removed or not. An addition of Larder.',
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
    'Changes a user. A lower role applies to the user’s API tokens and existing access tokens within five seconds. The last owner, and the last owner who can log in, cannot get another role. An addition of Larder.',
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
    'Removes a user, revokes their API tokens and ends their sessions. Existing access tokens and the hosted registry follow within five seconds. The records of their changes keep their name. The last owner, and the last owner who can log in, cannot be removed. An addition of Larder.',
  tag: 'Identity',
  access: OWNERS,
  params,
  success: { status: 204, description: 'The user was removed.' },
  problems: [400, 404, 409],
});

export const userEndpoints = { listUsers, createUser, getUser, updateUser, deleteUser };
