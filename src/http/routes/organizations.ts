// Organizations of the installation.
import type { Input, Output } from '../../contract/endpoints.ts';
import type { Transaction } from '../../db/database.ts';
import {
  getOrganization,
  listOrganizations,
  requireInstallationOwner,
  updateOrganization,
} from '../../identity/installation-organizations.ts';
import type { Principal } from '../../identity/principal.ts';
import { makeOrganization } from '../../installation/new-organization.ts';
import { reader, writer } from '../handler.ts';

export const organizationHandlers = {
  listOrganizations: reader(listOrganizations),
  createOrganization: writer(createOrganization),
  getOrganization: reader(getOrganization),
  updateOrganization: writer(updateOrganization),
};

/** The owner's token has at most the scopes of the token in use, like every token made through the API. */
async function createOrganization(
  tx: Transaction,
  caller: Principal,
  { name, namespace, owner, quotas }: Input<'createOrganization'>,
): Promise<Output<'createOrganization'>> {
  await requireInstallationOwner(tx, caller);
  const { organization, api_token } = await makeOrganization(tx, {
    ...{ name, namespace, owner: owner.name, owner_email: owner.email },
    ...{ applications_max: quotas?.applications?.limit, scopes: caller.scopes, created_by: caller.name },
  });
  return { id: organization.id, api_token };
}
