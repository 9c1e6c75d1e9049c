// The first start: creates the rows that every request needs, once; every later start finds them.
import { once } from 'node:events';
import { connect } from 'node:net';
import {
  ensureOperatingSystems,
  ensureSharedBaseImages,
  findListenUrl,
  followListenUrl,
  followPublicUrl,
} from '../catalog/initial-rows.ts';
import { LARDER } from '../catalog/principal.ts';
import { recordAuditEvent } from '../db/audit-trail.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { lockOrganizations } from '../identity/installation-organizations.ts';
import { loadOperatingSystems } from '../recipes/operating-systems.ts';
import { makeOrganizationAt } from './new-organization.ts';

const PRODUCTS = new URL('../../products/', import.meta.url).pathname;

/** The organization that the installation belongs to, and its owner; both can be renamed, but the namespace cannot change. */
const FIRST_ORGANIZATION = { name: 'My organization', namespace: 'main', owner: 'owner', owns_installation: true };

/** The address is on this machine, where a running server accepts a connection at once. */
const ANSWER_MS_MAX = 2_000;

export type BootstrapOptions = {
  /** The address at which clients reach the hosted registry: scheme, host and port. */
  publicUrl: string;
  /**
   * Set if the address is not configured but is the one on which this server listens: names the server by its host and data
   * folder. It does not replace an address that was configured, that another server wrote, or on which a server still responds.
   */
  listenedBy?: string;
  /**
   * Called with the API token of a first start, before it is committed: if the process dies in between, the next start creates
   * another token.
   */
  onApiToken: (apiToken: string) => void | Promise<void>;
};

/**
 * Ensures the rows that all organizations share. Every server and every worker calls it, since either may start first. If the
 * machine's archive lacks an operating system of the library, the system's base image shows the fault and has no offerings.
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

/** Creates the first organization if there is none, and updates the hosted registries to the public address. */
export async function bootstrap(db: Database, { publicUrl, listenedBy, onApiToken }: BootstrapOptions): Promise<void> {
  await ensureShared(db);
  const isOther = listenedBy !== undefined && (await isServedElsewhere(db, { publicUrl, listenedBy }));
  await inTransaction(db, async (tx) => {
    await lockOrganizations(tx);
    if (listenedBy === undefined) await followPublicUrl(tx, publicUrl);
    else if (!isOther) await followListenUrl(tx, publicUrl, listenedBy);
    if (!(await hasOrganization(tx))) await onApiToken(await createFirstOrganization(tx, publicUrl));
  });
}

/** Whether another server of the same data folder still responds at the stored address, which stays while it does. */
async function isServedElsewhere(
  db: Database,
  { publicUrl, listenedBy }: { publicUrl: string; listenedBy: string },
): Promise<boolean> {
  const known = await inTransaction(db, (tx) => findListenUrl(tx, listenedBy));
  if (known === undefined || known === publicUrl.replace(/\/+$/, '')) return false;
  const { hostname, port } = new URL(known);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    return true;
  } catch {
    // The connection failed: the server that wrote the address is gone.
    return false;
  } finally {
    socket.destroy();
  }
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
