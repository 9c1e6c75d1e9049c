// Opens a registry for reads and pushes. The hosted registry is opened through the database, and any other registry over
// HTTP.
import { doubtRegistryCapabilities } from '../catalog/registry-checks.ts';
import { rulesOf } from '../contract/registry-providers.ts';
import { inTransaction } from '../db/database.ts';
import type { CredentialExchange, Credentials } from '../oci/remote/credentials.ts';
import { type EcrPlace, ecrExchange } from '../oci/remote/ecr.ts';
import { openRegistry, type RemoteRegistry } from '../oci/remote/remote-repository.ts';
import { createSharedUploads, type SharedUploads } from '../oci/shared-uploads.ts';
import type { Target } from '../oci/target.ts';
import type { DistributionRegistry } from '../pipelines/plan-inputs.ts';
import { hostedTarget } from '../registry/target.ts';
import type { Resources } from '../resources.ts';

/** Splits a registry's address into the origin for requests and the path under which repositories are created. */
export function splitRegistryUrl(url: string): { origin: string; host: string; path: string } {
  const { origin, host, pathname } = new URL(/^[a-z]+:\/\//.test(url) ? url : `https://${url}`);
  return { origin, host, path: pathname.replace(/^\/+|\/+$/g, '') };
}

/** Returns the full name of a repository: the registry's own path, followed by the repository. */
export function repositoryIn(url: string, repository: string): string {
  const { path } = splitRegistryUrl(url);
  return path === '' ? repository : `${path}/${repository}`;
}

type ReachableRegistry = Pick<
  DistributionRegistry,
  'id' | 'organization_id' | 'url' | 'hosted' | 'provider' | 'access_key' | 'sealed_access_secret'
> &
  Partial<Pick<DistributionRegistry, 'capabilities'>>;

/** The state of outside registries that a worker keeps between jobs: connections, tokens, and which blobs it has sent. */
export type Remotes = {
  open(key: string, make: () => RemoteRegistry): RemoteRegistry;
  uploads: SharedUploads;
};

/** The most outside registries whose state a worker keeps. Few installations have more. */
const REMOTES_MAX = 200;

export function openRemotes(): Remotes {
  const opened = new Map<string, RemoteRegistry>();
  return {
    uploads: createSharedUploads(),
    open(key, make) {
      const known = opened.get(key) ?? make();
      opened.set(key, known);
      const [oldest] = opened.keys();
      if (oldest !== undefined && opened.size > REMOTES_MAX) opened.delete(oldest);
      return known;
    },
  };
}

/**
 * Returns the credentials for a registry. If the provider requires it, also returns the function that exchanges them for
 * others. Returns an empty object if the registry has no credentials.
 */
export function credentialsOf(
  registry: Omit<ReachableRegistry, 'hosted'>,
  { identity, egress }: Pick<Resources, 'identity' | 'egress'>,
): { credentials?: Credentials; exchangeCredentials?: CredentialExchange } {
  const { id: row_id, organization_id, access_key, sealed_access_secret } = registry;
  if (sealed_access_secret === null) return {};
  const password = identity.unseal(sealed_access_secret, { organization_id, row_id });
  const credentials = { username: access_key ?? '', password };
  const place = awsPlaceOf(registry);
  return { credentials, ...(place && { exchangeCredentials: ecrExchange(egress, place) }) };
}

/** Returns the region and domain in the host of an Amazon registry, or undefined for other providers. */
function awsPlaceOf({ provider, url }: Pick<ReachableRegistry, 'provider' | 'url'>): EcrPlace | undefined {
  const { exchange, host } = rulesOf(provider);
  if (exchange !== 'AWS') return undefined;
  const [, region, domain] = host?.pattern.exec(new URL(url).hostname) ?? [];
  return region !== undefined && domain !== undefined ? { region, domain } : undefined;
}

/** Opens a repository for reads and pushes. `repository` must begin with the registry's own path. */
export function openRegistryTarget(
  { db, pool, content, egress, identity, log, remotes }: Resources & { remotes: Remotes },
  registry: ReachableRegistry,
  repository: string,
): Target {
  const { organization_id, id, capabilities } = registry;
  if (registry.hosted) return hostedTarget({ pool, content, organization_id, repository });
  // The key contains the address, the credentials and the capabilities. If one of them changes, the key is new, so a new
  // connection is opened.
  const key = `${id} ${registry.url} ${registry.access_key} ${registry.sealed_access_secret?.toString('base64url')} ${JSON.stringify(capabilities)}`;
  const remote = remotes.open(key, () => {
    const url = splitRegistryUrl(registry.url).origin;
    return openRegistry({
      ...{ url, egress, ...credentialsOf(registry, { identity, egress }), ...(capabilities && { capabilities }) },
      onContradiction(what) {
        log.info({ registry_id: id, what }, 'a registry gained or lost a capability');
        const doubted = inTransaction(db, (tx) => doubtRegistryCapabilities(tx, { id, organization_id }));
        doubted.catch((err: unknown) => log.warn({ err }, 'a changed capability of a registry could not be recorded'));
      },
    });
  });
  return remote.repository(repository);
}
