// Chooses the repository of an application in each of its registries. The choice never changes. Applications on different
// base images never share a repository.
import { sql } from 'kysely';
import { rulesOf } from '../contract/registry-providers.ts';
import type { RegistryProvider } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';
import type { LockedPipeline } from './pipeline-lock.ts';
import { releaseAddress } from './release-address.ts';

export type ClaimedRepository = { registry_id: string /** Below the path of `releaseAddress`. */; repository: string };

type RegistryRow = {
  registry_id: string;
  repository: string | null;
  /** The release address. */
  url: string;
  provider: RegistryProvider;
  application_id: string;
  base_image_id: string;
  key: string;
};

/** The parts of a repository name that depend on the packaging type: its folder, and the name in the folder. */
export type RepositoryPlace = { folder: string; name: string };

/**
 * Returns the name of a repository, below the path of the release address, for the key of a base image. In `flat` registries it has one
 * segment.
 */
export function repositoryName(place: RepositoryPlace & { key: string }, repositories: 'nested' | 'flat'): string {
  return [place.folder, place.key, place.name].join(repositories === 'flat' ? '--' : '/');
}

/**
 * Returns the repositories to which a pipeline's application is released, in the order of its registries. The name of a new
 * repository contains the key of the base image. If an application on another base image already has this name, `-2` and so
 * on is appended to the key. This only happens after an upgrade from a version of Larder whose names did not contain the base
 * image. Later calls return the same repositories.
 */
export async function claimRepositories(
  tx: Transaction,
  pipeline: LockedPipeline,
  place: RepositoryPlace,
): Promise<ClaimedRepository[]> {
  const found = await sql<RegistryRow>`
    select ar.registry_id, ar.repository, ${releaseAddress} as url, g.provider, a.id as application_id, a.base_image_id, b.key
    from pipelines l join applications a on a.id = l.application_id
    join base_images b on b.id = a.base_image_id
    join application_registries ar on ar.application_id = a.id join registries g on g.id = ar.registry_id
    where l.id = ${pipeline.id} order by ar.position`.execute(tx);
  const unnamed = found.rows.filter(({ repository }) => repository === null);
  // Locks the addresses in a fixed order, so that two transactions that share registries cannot deadlock.
  for (const url of [...new Set(unnamed.map((row) => row.url.toLowerCase()))].sort()) {
    await lockName(tx, ['repositories of a registry', url]);
  }
  for (const row of unnamed) row.repository = await chooseRepository(tx, row, place);
  return found.rows.map(({ registry_id, repository }) => ({ registry_id, repository: repository ?? '' }));
}

async function chooseRepository(tx: Transaction, row: RegistryRow, place: RepositoryPlace): Promise<string> {
  const { repositories } = rulesOf(row.provider);
  for (let number = 1; ; number++) {
    const key = number === 1 ? row.key : `${row.key}-${number}`;
    const repository = repositoryName({ ...place, key }, repositories);
    if (await isHeld(tx, row, repository)) continue;
    await tx
      .updateTable('application_registries')
      .set({ repository })
      .where('application_id', '=', row.application_id)
      .where('registry_id', '=', row.registry_id)
      .execute();
    return repository;
  }
}

/**
 * Whether an application on another base image has this repository. A removed application counts, because its releases still
 * exist.
 */
async function isHeld(tx: Transaction, { url, base_image_id }: RegistryRow, repository: string): Promise<boolean> {
  const found = await sql`
    select from application_registries ar
    join registries g on g.id = ar.registry_id join applications a on a.id = ar.application_id
    where ar.repository = ${repository} and lower(${releaseAddress}) = ${url.toLowerCase()}
      and a.base_image_id <> ${base_image_id}
    limit 1`.execute(tx);
  return found.rows.length > 0;
}
