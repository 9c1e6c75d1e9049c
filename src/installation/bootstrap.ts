// The first start: what must be there before anybody can ask for anything, made once and found by every later start.
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
import { takeOrganizationsTurn } from '../identity/installation-organizations.ts';
import { loadOperatingSystems } from '../recipes/operating-systems.ts';
import { makeOrganizationAt } from './new-organization.ts';

const PRODUCTS = new URL('../../products/', import.meta.url).pathname;

/** The organization that the installation belongs to, and its owner; both can be renamed, the namespace cannot. */
const FIRST_ORGANIZATION = { name: 'My organization', namespace: 'main', owner: 'owner', owns_installation: true };

/** The address is one of this machine, where a server that runs accepts a connection at once. */
const ANSWER_MS_MAX = 2_000;

export type BootstrapOptions = {
  /** Where clients reach the hosted registry: scheme, host and port. */
  publicUrl: string;
  /**
   * Given when nobody configured that address and it is where this server listens: names the server by its host and data folder.
   * It replaces no address that was configured, that another server wrote, or on which a server still answers.
   */
  listenedBy?: string;
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
export async function bootstrap(db: Database, { publicUrl, listenedBy, tell }: BootstrapOptions): Promise<void> {
  await ensureShared(db);
  const isOther = listenedBy !== undefined && (await isServedElsewhere(db, { publicUrl, listenedBy }));
  await inTransaction(db, async (tx) => {
    await takeOrganizationsTurn(tx);
    if (listenedBy === undefined) await followPublicUrl(tx, publicUrl);
    else if (!isOther) await followListenUrl(tx, publicUrl, listenedBy);
    if (!(await hasOrganization(tx))) await tell(await createFirstOrganization(tx, publicUrl));
  });
}

/** A second server of the same data folder listens on another port: the address stays the first one's while that answers. */
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
    // Rejected, or nothing there: the server that wrote the address is gone.
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
