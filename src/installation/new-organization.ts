// Creates an organization with its initial rows: subscription, owner, API token, catalog, and hosted registry.
import { ensureDefaultCatalog, ensureHostedRegistry, getHostedUrl } from '../catalog/initial-rows.ts';
import type { Transaction } from '../db/database.ts';
import { requireNewOrganization } from '../identity/installation-organizations.ts';
import { createOrganization, type NewOrganization, type OrganizationRequest } from '../identity/organizations.ts';

/** Creates another organization. Throws IdentityError NAME_INVALID, TAKEN or LIMIT_REACHED. */
export async function makeOrganization(tx: Transaction, request: OrganizationRequest): Promise<NewOrganization> {
  await requireNewOrganization(tx, request.name);
  return await makeOrganizationAt(tx, request, await getHostedUrl(tx));
}

/** Creates an organization whose hosted registry has this address: scheme, host and port. */
export async function makeOrganizationAt(
  tx: Transaction,
  request: OrganizationRequest,
  publicUrl: string,
): Promise<NewOrganization> {
  const made = await createOrganization(tx, request);
  await ensureDefaultCatalog(tx, made.organization.id);
  await ensureHostedRegistry(tx, made.organization.id, publicUrl);
  return made;
}
