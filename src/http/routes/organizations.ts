// The handlers of the endpoints for organizations of the installation.
import {
  getOrganization,
  listOrganizations,
  requireInstallationOwner,
  updateOrganization,
} from '../../identity/installation-organizations.ts';
import { ensureReleaseKey } from '../../identity/release-signing-keys.ts';
import { makeOrganization } from '../../installation/new-organization.ts';
import { type Handler, reader, writer } from '../handler.ts';

/** The owner's token has at most the scopes of the caller's token, like every token that the API creates. */
const createOrganization: Handler<'createOrganization'> = ({ caller, identity, write }, input) =>
  write(async (tx) => {
    const { name, namespace, owner, quotas } = input;
    await requireInstallationOwner(tx, caller);
    const { organization, api_token } = await makeOrganization(tx, {
      ...{ name, namespace, owner: owner.name, owner_email: owner.email },
      ...{ applications_max: quotas?.applications?.limit, scopes: caller.scopes, created_by: caller.name },
    });
    await ensureReleaseKey(tx, organization.id, identity);
    return { id: organization.id, api_token };
  });

export const organizationHandlers = {
  listOrganizations: reader(listOrganizations),
  createOrganization,
  getOrganization: reader(getOrganization),
  updateOrganization: writer(updateOrganization),
};
