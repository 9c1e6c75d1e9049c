// The first start creates the rows that every request needs. Later starts find these rows.
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

/**
 * The first organization, which owns the installation, and its owner. Both can be renamed, but the namespace cannot change.
 */
const FIRST_ORGANIZATION = { name: 'My organization', namespace: 'main', owner: 'owner', owns_installation: true };

/** How long to wait for an answer from the stored address. A running server on this machine answers at once. */
const ANSWER_MS_MAX = 2_000;

export type BootstrapOptions = {
  /** The address at which clients reach the hosted registry: scheme, host and port. */
  publicUrl: string;
  /**
   * The id of this server, made from its host and data folder. Set if no address is configured. Then `publicUrl` is the
   * address on which this server listens. This address does not replace an address that was configured, that another server
   * wrote, or at which another server still answers.
   */
  listenedBy?: string;
  /**
   * Called with the API token of a first start before the token is committed. If the process dies before the commit, the next
   * start creates another token.
   */
  onApiToken: (apiToken: string) => void | Promise<void>;
};

/**
 * Creates the missing rows that all organizations share. Every server and every worker calls this, because any of them may
 * start first. If the machine's package archive does not have an operating system of the library, the base image of this
 * operating system shows the fault and has no offerings.
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

/** Creates the first organization if there is none. Sets the address of all hosted registries to the public address. */
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

/** Whether another server with the same data folder still answers at the stored address. The address then stays. */
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
    // The connection failed. So the server that wrote the address does not run any more.
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
