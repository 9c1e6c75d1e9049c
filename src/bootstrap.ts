// The first start: what must be there before anybody can ask for anything, made once and found by every later start.
import { sql } from 'kysely';
import {
  ensureDefaultCatalog,
  ensureHostedRegistry,
  ensureOperatingSystems,
  ensureSharedBaseImages,
  followPublicUrl,
  type KnownOperatingSystem,
} from './catalog/bootstrap.ts';
import { LARDER } from './catalog/principal.ts';
import { recordAuditEvent } from './db/audit-trail.ts';
import { type Database, inTransaction, type Transaction } from './db/database.ts';
import { createOrganization } from './identity/organizations.ts';

/** What base images are built for. Where the machine's archive lacks one, its base image says so and nothing is offered for it. */
const OPERATING_SYSTEMS: KnownOperatingSystem[] = [
  { key: 'debian-12', name: 'Debian 12', distro: 'debian', version: '12', codename: 'bookworm' },
  { key: 'debian-13', name: 'Debian 13', distro: 'debian', version: '13', codename: 'trixie' },
];

/** The first organization and its owner; both can be renamed, the namespace cannot. */
const FIRST_ORGANIZATION = { name: 'My organization', namespace: 'main', owner: 'owner' };

/** Servers that start together take turns. Any number that no other lock has. */
const BOOTSTRAP_LOCK = 7_101_002;

export type BootstrapOptions = {
  /** Where clients reach the hosted registry: scheme, host and port. */
  publicUrl: string;
  /** Told the API token of a first start, before it is committed: a start that dies in between prints another one. */
  tell: (apiToken: string) => void;
};

/** What is shared by all organizations: every server and every worker makes sure of it, since either may be first. */
export async function ensureShared(db: Database): Promise<void> {
  await inTransaction(db, async (tx) => {
    await ensureOperatingSystems(tx, OPERATING_SYSTEMS);
    await ensureSharedBaseImages(
      tx,
      OPERATING_SYSTEMS.map(({ key, name, distro, version }) => ({
        name,
        description: `${name}, minimal, built from its package archive and followed there`,
        container_image: `base/${distro}:${version}`,
        operating_system: key,
      })),
    );
  });
}

/** Makes the first organization unless there is one, and lets the hosted registries follow the public address. */
export async function bootstrap(db: Database, { publicUrl, tell }: BootstrapOptions): Promise<void> {
  await ensureShared(db);
  await inTransaction(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(${BOOTSTRAP_LOCK})`.execute(tx);
    await followPublicUrl(tx, publicUrl);
    if (!(await hasOrganization(tx))) tell(await createFirstOrganization(tx, publicUrl));
  });
}

async function hasOrganization(tx: Transaction): Promise<boolean> {
  return (await tx.selectFrom('organizations').select('id').limit(1).executeTakeFirst()) !== undefined;
}

async function createFirstOrganization(tx: Transaction, publicUrl: string): Promise<string> {
  const { organization, api_token } = await createOrganization(tx, FIRST_ORGANIZATION);
  const subject = { subject_kind: 'organization', subject_id: organization.id };
  await recordAuditEvent(tx, {
    ...{ organization_id: organization.id, actor_name: LARDER, action: 'createOrganization' },
    ...subject,
  });
  await ensureDefaultCatalog(tx, organization.id);
  await ensureHostedRegistry(tx, organization.id, publicUrl);
  return api_token;
}
