// A new organization with all that it begins with: subscription, owner, API token, catalog, and its place in the hosted registry.
import { ensureDefaultCatalog, ensureHostedRegistry, getHostedUrl } from '../catalog/initial-rows.ts';
import type { Transaction } from '../db/database.ts';
import { requireOrganizationQuota } from '../identity/installation-organizations.ts';
import { createOrganization, type NewOrganization, type OrganizationWish } from '../identity/organizations.ts';

/** Makes one beside others. Throws IdentityError NAME_INVALID, TAKEN or LIMIT_REACHED. */
export async function makeOrganization(tx: Transaction, wish: OrganizationWish): Promise<NewOrganization> {
  await requireOrganizationQuota(tx, wish.name);
  return await makeOrganizationAt(tx, wish, await getHostedUrl(tx));
}

/** Makes one whose hosted registry is reached at this address: scheme, host and port. */
export async function makeOrganizationAt(
  tx: Transaction,
  wish: OrganizationWish,
  publicUrl: string,
): Promise<NewOrganization> {
  const made = await createOrganization(tx, wish);
  await ensureDefaultCatalog(tx, made.organization.id);
  await ensureHostedRegistry(tx, made.organization.id, publicUrl);
  return made;
}
