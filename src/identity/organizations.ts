// An organization with its owner and their first API token, made together.
import type { Transaction } from '../db/database.ts';
import { createApiToken } from './api-tokens.ts';
import { IdentityError } from './errors.ts';

/** First segments of repository names that belong to the installation, or that clients write in front by themselves. */
const RESERVED_NAMESPACES: readonly string[] = ['base', 'library', 'v2'];

/** What an organization begins with: as many applications as it likes, without an end. */
const FIRST_PRODUCT = 'VAC_FLEXIBLE';

/** The name in the record where no person acted. */
const LARDER = 'Larder';

const NAME_LENGTH_MAX = 100;
/** With a product's path behind it a repository name stays far below the 255 that clients take. */
const NAMESPACE_LENGTH_MAX = 40;

/** One path component of a repository name (distribution-spec, "Pulling manifests"), with single separators. */
const NAMESPACE = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export type NewOrganization = {
  organization: { id: string; name: string; namespace: string };
  owner: { id: string; name: string };
  /** Shown once. */
  api_token: string;
};

/**
 * Makes an organization, its subscription, its owner and an API token of the owner. The namespace is made from the name when none is
 * given, with a number behind it where another has it. Throws IdentityError NAME_INVALID.
 */
export async function createOrganization(
  tx: Transaction,
  wish: { name: string; namespace?: string; owner: string },
): Promise<NewOrganization> {
  const name = properName(wish.name);
  const organization = await insertOrganization(tx, name, wish.namespace ?? slugOf(name));
  await tx
    .insertInto('subscriptions')
    .values({ organization_id: organization.id, product_id: FIRST_PRODUCT, created_by: LARDER, updated_by: LARDER })
    .execute();
  const owner = await tx
    .insertInto('users')
    .values({ organization_id: organization.id, name: properName(wish.owner), role: 'OWNER' })
    .returning(['id', 'name'])
    .executeTakeFirstOrThrow();
  const token = await createApiToken(
    tx,
    { organization_id: organization.id, user_id: owner.id },
    { name: 'first token', role: 'OWNER' },
  );
  return { organization, owner, api_token: token.secret };
}

async function insertOrganization(
  tx: Transaction,
  name: string,
  wished: string,
): Promise<NewOrganization['organization']> {
  if (!NAMESPACE.test(wished) || wished.length > NAMESPACE_LENGTH_MAX) {
    throw new IdentityError(
      'NAME_INVALID',
      `${wished} cannot be a namespace: small letters, digits and single hyphens`,
    );
  }
  for (let number = RESERVED_NAMESPACES.includes(wished) ? 2 : 1; ; number++) {
    const namespace = number === 1 ? wished : `${wished}-${number}`;
    const made = await tx
      .insertInto('organizations')
      .values({ name, namespace })
      .onConflict((conflict) => conflict.column('namespace').doNothing())
      .returning(['id', 'name', 'namespace'])
      .executeTakeFirst();
    if (made) return made;
  }
}

function properName(text: string): string {
  const name = text.trim();
  if (name === '' || name.length > NAME_LENGTH_MAX || /\p{Cc}/u.test(name)) {
    throw new IdentityError(
      'NAME_INVALID',
      `A name has 1 to ${NAME_LENGTH_MAX} characters, none of them a control character`,
    );
  }
  return name;
}

/** Letters without their marks, everything else a hyphen; a name in another script becomes `organization`. */
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
