// The first start: what must be there before anybody can ask for anything, made once and found by every later start.
import {
  ensureOperatingSystems,
  ensureSharedBaseImages,
  followListenUrl,
  followPublicUrl,
} from './catalog/bootstrap.ts';
import { LARDER } from './catalog/principal.ts';
import { recordAuditEvent } from './db/audit-trail.ts';
import { type Database, inTransaction, type Transaction } from './db/database.ts';
import { takeOrganizationsTurn } from './identity/installation-organizations.ts';
import { makeOrganizationAt } from './new-organization.ts';
import { loadOperatingSystems } from './recipes/operating-systems.ts';

const PRODUCTS = new URL('../products/', import.meta.url).pathname;

/** The organization that the installation belongs to, and its owner; both can be renamed, the namespace cannot. */
const FIRST_ORGANIZATION = { name: 'My organization', namespace: 'main', owner: 'owner', owns_installation: true };

export type BootstrapOptions = {
  /** Where clients reach the hosted registry: scheme, host and port. */
  publicUrl: string;
  /** True when nobody configured that address: it is where this server listens, and replaces no address that was configured. */
  isListenUrl?: boolean;
  /** Given the API token of a first start, before it is committed: a start that dies in between makes another one. */
  tell: (apiToken: string) => void | Promise<void>;
};

/**
 * What is shared by all organizations: every server and every worker makes sure of it, since either may be first. Where the
 * machine's archive lacks an operating system of the library, its base image says so and nothing is offered for it.
 */
export async function ensureShared(db: Database): Promise<void> {
  const systems = await loadOperatingSystems(PRODUCTS);
  await inTransaction(db, async (tx) => {
    await ensureOperatingSystems(tx, systems);
    await ensureSharedBaseImages(
      tx,
      systems.map(({ key, name, distro, version }) => ({
        name,
        description: `${name}, minimal, built from its package archive and followed there`,
        container_image: `base/${distro}:${version}`,
        operating_system: key,
      })),
    );
  });
}

/** Makes the first organization unless there is one, and lets the hosted registries follow the public address. */
export async function bootstrap(
  db: Database,
  { publicUrl, isListenUrl = false, tell }: BootstrapOptions,
): Promise<void> {
  await ensureShared(db);
  await inTransaction(db, async (tx) => {
    await takeOrganizationsTurn(tx);
    await (isListenUrl ? followListenUrl : followPublicUrl)(tx, publicUrl);
    if (!(await hasOrganization(tx))) await tell(await createFirstOrganization(tx, publicUrl));
  });
}

async function hasOrganization(tx: Transaction): Promise<boolean> {
  return (await tx.selectFrom('organizations').select('id').limit(1).executeTakeFirst()) !== undefined;
}

async function createFirstOrganization(tx: Transaction, publicUrl: string): Promise<string> {
  const { organization, api_token } = await makeOrganizationAt(tx, FIRST_ORGANIZATION, publicUrl);
  const subject = { subject_kind: 'organization', subject_id: organization.id };
  await recordAuditEvent(tx, {
    ...{ organization_id: organization.id, actor_name: LARDER, action: 'createOrganization' },
    ...subject,
  });
  return api_token;
}
