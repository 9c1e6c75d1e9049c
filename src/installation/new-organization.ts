// Creates an organization with all rows that it needs: subscription, owner, API token, catalog, and hosted registry.
import { ensureDefaultCatalog, ensureHostedRegistry, getHostedUrl } from '../catalog/initial-rows.ts';
import type { Transaction } from '../db/database.ts';
import { requireNewOrganization } from '../identity/installation-organizations.ts';
import { createOrganization, type NewOrganization, type OrganizationRequest } from '../identity/organizations.ts';

/** Creates an organization that does not own the installation. Throws IdentityError NAME_INVALID, TAKEN or LIMIT_REACHED. */
export async function makeOrganization(tx: Transaction, request: OrganizationRequest): Promise<NewOrganization> {
  await requireNewOrganization(tx, request.name);
  return await makeOrganizationAt(tx, request, await getHostedUrl(tx));
}

/** Creates an organization. `publicUrl` is the address of its hosted registry: scheme, host and port. */
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
