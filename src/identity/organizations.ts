// Creates an organization, its owner, and the owner's first API token.
import { EMAIL } from '../contract/field.ts';
import { NAME_LENGTH_MAX, NAMESPACE_LENGTH_MAX, ORGANIZATION_NAME_LENGTH_MAX } from '../contract/limits.ts';
import { RESERVED_NAMESPACES } from '../contract/organization.ts';
import type { TokenScope } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { createApiToken } from './api-tokens.ts';
import { IdentityError } from './errors.ts';

/** Every organization gets this subscription when it is created. The subscription does not end. */
const FIRST_PRODUCT = 'VAC_FLEXIBLE';

/** The actor that the audit trail records if no person acted. */
const LARDER = 'Larder';

/**
 * A component of a repository path (distribution-spec, "Pulling manifests"). Stricter than the specification, because the
 * only separators are single hyphens.
 */
const NAMESPACE = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export type OrganizationRequest = {
  name: string;
  /** Derived from the name if absent. */
  namespace?: string | undefined;
  /** The name of the organization's first user. */
  owner: string;
  owner_email?: string | undefined;
  /** How many applications the organization may have at a time. If absent, there is no limit. */
  applications_max?: number | undefined;
  /** Whether the organization owns the installation. */
  owns_installation?: boolean;
  /** The scopes of the owner's token. If absent, the token has all scopes. */
  scopes?: readonly TokenScope[] | undefined;
  created_by?: string;
};

export type NewOrganization = {
  organization: { id: string; name: string; namespace: string };
  owner: { id: string; name: string };
  /** The token is not stored, so only this result contains it. */
  api_token: string;
};

/**
 * Creates an organization, its subscription, its owner and an API token of the owner. Without a given `namespace`, derives
 * one from the name. If the derived namespace is taken, appends a number. Throws IdentityError NAME_INVALID, and TAKEN if the
 * given namespace is taken.
 */
export async function createOrganization(tx: Transaction, request: OrganizationRequest): Promise<NewOrganization> {
  const { created_by = LARDER } = request;
  const organization = await insertOrganization(tx, request);
  const organization_id = organization.id;
  await tx
    .insertInto('subscriptions')
    .values({ organization_id, product_id: FIRST_PRODUCT, created_by, updated_by: created_by })
    .execute();
  const owner = await tx
    .insertInto('users')
    .values({
      ...{
        organization_id,
        name: properName(request.owner, NAME_LENGTH_MAX),
        email: properEmail(request.owner_email),
        role: 'OWNER',
      },
      ...{ created_by, updated_by: created_by },
    })
    .returning(['id', 'name'])
    .executeTakeFirstOrThrow();
  const token = await createApiToken(
    tx,
    { organization_id, user_id: owner.id },
    { name: 'first token', role: 'OWNER', created_by, ...(request.scopes !== undefined && { scopes: request.scopes }) },
  );
  return { organization, owner, api_token: token.secret };
}

async function insertOrganization(
  tx: Transaction,
  request: OrganizationRequest,
): Promise<NewOrganization['organization']> {
  const name = properName(request.name);
  const { owns_installation = false, applications_max = null } = request;
  for (const namespace of namespacesFor(name, request.namespace)) {
    const made = await tx
      .insertInto('organizations')
      .values({ name, namespace, owns_installation, applications_max })
      .onConflict((conflict) => conflict.column('namespace').doNothing())
      .returning(['id', 'name', 'namespace'])
      .executeTakeFirst();
    if (made) return made;
  }
  throw new IdentityError('TAKEN', `Another organization already has the namespace ${request.namespace}`);
}

/** Yields the given namespace. If none is given, yields namespaces derived from the name, the best first. */
function* namespacesFor(name: string, wanted: string | undefined): Generator<string> {
  if (wanted !== undefined) {
    yield properNamespace(wanted);
    return;
  }
  const slug = slugOf(name);
  if (!RESERVED_NAMESPACES.includes(slug)) yield slug;
  for (let number = 2; ; number++) yield `${slug}-${number}`;
}

function properNamespace(text: string): string {
  if (NAMESPACE.test(text) && text.length <= NAMESPACE_LENGTH_MAX && !RESERVED_NAMESPACES.includes(text)) return text;
  throw new IdentityError(
    'NAME_INVALID',
    `${text} is not a valid namespace; expected 1 to ${NAMESPACE_LENGTH_MAX} lower-case letters and digits with single hyphens between them, and not ${RESERVED_NAMESPACES.join(', ')}`,
  );
}

/** Returns the name without spaces around it. Throws IdentityError NAME_INVALID. */
export function properName(text: string, lengthMax = ORGANIZATION_NAME_LENGTH_MAX): string {
  const name = text.trim();
  if (name === '' || [...name].length > lengthMax || /\p{Cc}/u.test(name)) {
    throw new IdentityError('NAME_INVALID', `A name must have 1 to ${lengthMax} characters, and no control characters`);
  }
  return name;
}

function properEmail(text: string | undefined): string | null {
  if (text === undefined || new RegExp(EMAIL).test(text)) return text ?? null;
  throw new IdentityError('NAME_INVALID', `${text} is not an e-mail address`);
}

/**
 * Removes accents from letters, and replaces all other characters by hyphens. A name without Latin letters becomes
 * `organization`.
 */
function slugOf(name: string): string {
  const slug = name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, NAMESPACE_LENGTH_MAX)
    .replaceAll(/^-+|-+$/g, '');
  return slug || 'organization';
}
