// The rows of repositories and their owners.
import type { Actor } from './actor.ts';
import { isReserved, RESERVED } from './names.ts';
import { denied, reserved } from './rejection.ts';
import { type Ask, statement } from './statements.ts';

/** A repository by name and owner, and the client or job that uses it. */
export type RepositoryRef = {
  /** Null for a repository of the installation, which every organization can read. */
  organization_id: string | null;
  name: string;
  /** The kind of writer: a job of Larder or a client. Clients cannot write to a repository to which a job has pushed. */
  by: 'LARDER' | Actor;
};

/**
 * $1 name, $2 organization. Returns the repository if the organization can read it. Returns no row if the name is unknown or
 * the repository belongs to another organization.
 */
export const READABLE = `select id, name from repositories where name = $1 and (organization_id = $2 or organization_id is null)`;

/**
 * $1 name, $2 organization. Returns a repository that the organization owns. `is_claimed` means that Larder has pushed to it,
 * so clients cannot delete anything. `is_closed` means that it is claimed or its name is reserved, so clients can push only
 * referrers. In a repository that is closed but not claimed, clients may delete images from before the reservation.
 */
export const OWN = `select id, larder_since is not null as is_claimed,
     larder_since is not null or organization_id is not null and name ~ '${RESERVED}' as is_closed
   from repositories where name = $1 and organization_id is not distinct from $2::uuid`;

/**
 * Like `OWN`, but for a write: locks the repository until the transaction ends. So either a claim by Larder ends first and
 * the write sees it, or the claim waits for the write. The lock is shared, because writes need not wait for each other.
 */
export const WRITABLE = `${OWN} for share`;

/** $1 name, $2 organization. Claims the repository for Larder, unless it is already claimed. */
export const CLAIMED = `update repositories set larder_since = now()
   where name = $1 and organization_id is not distinct from $2::uuid and larder_since is null returning id`;

const CLAIM = statement<{ id: string }>(
  'claim_repository',
  `with claimed as (${CLAIMED}) select id from (${OWN}) r where (select count(*) from claimed) >= 0`,
);

const FIND_OWN = statement<{ is_closed: boolean }>('find_own_repository', OWN);

const CREATE_OWN = statement(
  'create_repository',
  `insert into repositories (organization_id, name)
   select id, $1 from organizations where id = $2 and namespace = split_part($1, '/', 1)
   on conflict do nothing`,
);

const CREATE_SHARED = statement(
  'create_shared_repository',
  `insert into repositories (organization_id, name)
   select null, $1 where not exists (select from organizations where namespace = split_part($1, '/', 1))
   on conflict do nothing`,
);

const LIST = statement<{ name: string }>(
  'list_repositories',
  `select name from repositories r
   where organization_id = $1 and ($2::text is null or name collate "C" > $2)
     and exists (select from repository_manifests where repository_id = r.id)
   order by name collate "C" limit $3`,
);

/**
 * Runs a statement that writes to a repository, and returns its row. If there is no row, creates the repository and runs the
 * statement again. Throws DENIED if the name is outside the owner's namespace, or if a client writes to a reserved name.
 */
export async function writeInto<Row>(ask: Ask, repository: RepositoryRef, write: () => Promise<Row[]>): Promise<Row> {
  const [row] = await write();
  if (row !== undefined) {
    return row;
  }
  const { organization_id, name, by } = repository;
  if (by !== 'LARDER' && isReserved(name)) throw reserved(name);
  await (organization_id === null ? ask(CREATE_SHARED, [name]) : ask(CREATE_OWN, [name, organization_id]));
  const [again] = await write();
  if (again === undefined) {
    throw denied();
  }
  return again;
}

/**
 * Claims a repository for Larder permanently. Must be called before a job pushes to the repository. Throws DENIED like
 * `writeInto`.
 */
export async function claimRepository(ask: Ask, repository: RepositoryRef): Promise<void> {
  await writeInto(ask, repository, () => ask(CLAIM, [repository.name, repository.organization_id]));
}

/** Whether clients may push only referrers to a repository. For a repository that does not exist, its name decides this. */
export async function isClosed(ask: Ask, repository: RepositoryRef): Promise<boolean> {
  const [row] = await ask(FIND_OWN, [repository.name, repository.organization_id]);
  return row?.is_closed ?? isReserved(repository.name);
}

/** Lists the names of the organization's repositories that are not empty, after the name `last` and in byte order. */
export async function listRepositories(
  ask: Ask,
  page: { organization_id: string; last: string | null; limit: number },
): Promise<string[]> {
  return (await ask(LIST, [page.organization_id, page.last, page.limit])).map(({ name }) => name);
}
