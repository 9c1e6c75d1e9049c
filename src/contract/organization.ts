// Organizations. Owners of the organization that owns the installation manage them. Larder adds this to version 1 of the API.
import { type Static, Type } from 'typebox';
import { defineEndpoint, OWNERS } from './endpoint.ts';
import { EmailAddress, Id, Match, Name, Observed, Text, Time } from './field.ts';
import {
  APPLICATIONS_QUOTA_MAX,
  NAMESPACE_LENGTH_MAX,
  ORGANIZATION_NAME_LENGTH_MAX,
  ORGANIZATIONS_MAX,
} from './limits.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';

/**
 * Namespaces that no organization may have. Repositories of the installation begin with them, or clients add them to names.
 */
export const RESERVED_NAMESPACES: readonly string[] = ['base', 'library', 'v2'];

/** Returns the schema of quotas, for answers and for requests. The two schemas have the same fields, but different titles. */
function quotas(title: string) {
  const limit = Type.Integer({
    minimum: 0,
    maximum: APPLICATIONS_QUOTA_MAX,
    description: 'Maximum number of applications.',
  });
  return Type.Object(
    { applications: Type.Optional(Type.Object({ limit }, { title: `${title}Applications` })) },
    { title, description: 'Quotas of the organization. A quota that is absent is not limited.' },
  );
}

const GivenQuotas = quotas('GivenOrganizationQuotas');

export const Organization = Type.Object(
  {
    id: Id('Identifier of the organization.'),
    name: Text('Name of the organization.'),
    namespace: Text('First segment of its repository names in the hosted registry.'),
    owns_installation: Type.Boolean({
      description: 'Whether it owns the installation. Exactly one organization does.',
    }),
    quotas: quotas('OrganizationQuotas'),
    application_count: Observed(Type.Integer({ description: 'Number of its applications.' })),
    created_at: Time('When it was made.'),
    updated_at: Time('When it last changed.'),
  },
  { title: 'Organization' },
);
export type Organization = Static<typeof Organization>;

export const OrganizationsPage = PageOf(Organization, 'OrganizationsPage');

const name = Name('Name of the organization, unique in the installation.', {
  maxLength: ORGANIZATION_NAME_LENGTH_MAX,
});

const CreateOrganizationRequest = Type.Object(
  {
    name,
    namespace: Type.Optional(
      Type.String({
        pattern: `^(?!(${RESERVED_NAMESPACES.join('|')})$)[a-z0-9]+(-[a-z0-9]+)*$`,
        maxLength: NAMESPACE_LENGTH_MAX,
        expects: `lower-case letters and digits with single hyphens between them; not ${RESERVED_NAMESPACES.join(', ')}`,
        description:
          'First segment of its repository names in the hosted registry. Defaults to a segment made from the name; cannot be changed.',
      }),
    ),
    owner: Type.Object(
      {
        name: Name('Name of the user.'),
        email: Type.Optional(EmailAddress('E-mail address.')),
      },
      { title: 'FirstOwner', description: 'Its first user. The answer contains an API token of this user.' },
    ),
    quotas: Type.Optional(GivenQuotas),
  },
  { title: 'CreateOrganizationRequest' },
);

const UpdateOrganizationRequest = Type.Object(
  { name: Type.Optional(name), quotas: Type.Optional(GivenQuotas) },
  { title: 'UpdateOrganizationRequest' },
);

const NewOrganization = Type.Object(
  { api_token: Text('An API token of its owner. No other answer contains it.') },
  { title: 'NewOrganization' },
);

const params = Type.Object({ organization_id: Id('Identifier of the organization.') });
const path = '/larder/v1/organizations';
const WHOSE =
  'Owners of the organization that owns the installation see all organizations, other owners only their own. An addition of Larder.';
const BY_WHOM = 'Only for owners of the organization that owns the installation. An addition of Larder.';

const listOrganizations = defineEndpoint({
  method: 'GET',
  path,
  summary: 'List organizations',
  description: WHOSE,
  tag: 'Identity',
  access: OWNERS,
  query: Type.Object({
    name: Type.Optional(Match('Only organizations whose name contains this, ignoring case.')),
    ...orderQuery(['NAME', 'NAMESPACE', 'CREATED_AT'], 'ASC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of organizations.', body: OrganizationsPage },
  problems: [400],
});

const createOrganization = defineEndpoint({
  method: 'POST',
  path,
  summary: 'Create an organization',
  description: `Creates an organization with a catalog, a hosted registry, a subscription, an owner, and an API token of the owner with the scopes of the token in use. An installation has at most ${ORGANIZATIONS_MAX} organizations. ${BY_WHOM}`,
  tag: 'Identity',
  access: OWNERS,
  body: CreateOrganizationRequest,
  success: {
    status: 201,
    description: 'The organization was created. No later answer contains the API token.',
    location: `${path}/{id}`,
    body: NewOrganization,
  },
  problems: [400, 409, 413, 415],
});

const getOrganization = defineEndpoint({
  method: 'GET',
  path: `${path}/{organization_id}`,
  summary: 'Get an organization',
  description: WHOSE,
  tag: 'Identity',
  access: OWNERS,
  params,
  success: { status: 200, description: 'The organization.', body: Organization },
  problems: [400, 404],
});

const updateOrganization = defineEndpoint({
  method: 'PATCH',
  path: `${path}/{organization_id}`,
  summary: 'Change an organization',
  description: `Changes the name or the quotas. The given quotas replace all current ones, so that {} removes every limit. Applications beyond a new limit stay, but none can be added. ${BY_WHOM}`,
  tag: 'Identity',
  access: OWNERS,
  params,
  body: UpdateOrganizationRequest,
  success: { status: 204, description: 'The organization was changed.' },
  problems: [400, 404, 409, 413, 415],
});

export const organizationEndpoints = { listOrganizations, createOrganization, getOrganization, updateOrganization };
