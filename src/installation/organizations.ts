// The operator's commands for organizations. Owners of the installation can do the same through the API. These commands use
// the database directly, so they run on a machine that can access it.
import { access, constants } from 'node:fs/promises';
import type { Organization } from '../contract/organization.ts';
import { OPERATOR, recordAuditEvent } from '../db/audit-trail.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { IdentityError } from '../identity/errors.ts';
import { requireInstallation } from '../identity/installation.ts';
import { type InstallationKey, loadInstallationKey } from '../identity/installation-key.ts';
import {
  findInstallationOrganization,
  findOrganizationNamed,
  listAllOrganizations,
  lockOrganizations,
  setQuota,
} from '../identity/installation-organizations.ts';
import type { NewOrganization } from '../identity/organizations.ts';
import { ensureReleaseKey } from '../identity/release-signing-keys.ts';
import { seal } from '../identity/sealed.ts';
import { makeOrganization } from './new-organization.ts';
import { withOperatorDatabase } from './operator-database.ts';

export type OrganizationOptions = {
  name: string;
  namespace?: string | undefined;
  owner: string;
  owner_email?: string | undefined;
  applications_max?: number | undefined;
};

/** Creates an organization with its owner and the owner's first API token. Throws IdentityError. */
export function createOrganizationByOperator(options: OrganizationOptions): Promise<NewOrganization> {
  return withOperatorDatabase('organizations', async (db, { keyFile }) => {
    const key = (await isReadable(keyFile)) ? await loadInstallationKey(keyFile) : undefined;
    return await inTransaction(db, async (tx) => {
      const own = await requireStarted(tx);
      const made = await makeOrganization(tx, { ...options, created_by: OPERATOR });
      if (key !== undefined) await makeReleaseKey(tx, made.organization.id, key);
      await recordChange(tx, own, { action: 'createOrganization', subject_id: made.organization.id });
      return made;
    });
  });
}

/**
 * Whether this account can read the key file. If it cannot, the organization's signing key is made later, by the next start
 * or the first release.
 */
async function isReadable(file: string): Promise<boolean> {
  return await access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
}

async function makeReleaseKey(tx: Transaction, organization_id: string, key: InstallationKey): Promise<void> {
  await requireInstallation(tx, key);
  await ensureReleaseKey(tx, organization_id, { seal: (text, owner) => seal(key, text, owner) });
}

/** Lists all organizations of the installation, by name. */
export function listOrganizationsForOperator(): Promise<Organization[]> {
  return withOperatorDatabase('organizations', listAllOrganizations);
}

/**
 * Sets how many applications an organization may have. Null removes the limit. `word` is the namespace, name or id of the
 * organization.
 */
export function setQuotaByOperator(word: string, applications_max: number | null): Promise<{ name: string }> {
  return withOperatorDatabase('organizations', (db) =>
    inTransaction(db, async (tx) => {
      const own = await requireStarted(tx);
      await lockOrganizations(tx);
      const found = await findOrganizationNamed(tx, word);
      if (found === undefined) throw new IdentityError('NOT_FOUND', `There is no organization ${word}`);
      await setQuota(tx, { id: found.id, applications_max, updated_by: OPERATOR });
      await recordChange(tx, own, { action: 'updateOrganization', subject_id: found.id, changed_fields: ['quotas'] });
      return { name: found.name };
    }),
  );
}

/** Returns the organization that owns the installation. Its audit trail also records changes of other organizations. */
async function requireStarted(db: Database): Promise<{ id: string }> {
  const own = await findInstallationOrganization(db);
  if (own !== undefined) return own;
  throw new IdentityError('NOT_SET_UP', 'This database has no organization yet: start Larder once');
}

function recordChange(
  tx: Transaction,
  { id }: { id: string },
  event: { action: string; subject_id: string; changed_fields?: string[] },
): Promise<void> {
  const entry = { organization_id: id, actor_name: OPERATOR, subject_kind: 'organization', ...event };
  return recordAuditEvent(tx, entry);
}
