// The rows that say which repositories there are and whose they are.
import type { Actor } from './actor.ts';
import { isReserved, RESERVED } from './names.ts';
import { denied, reserved } from './rejection.ts';
import { type Ask, statement } from './statements.ts';

/** A repository as its owner names it, and who asks for it. */
export type RepositoryRef = {
  /** Null: the installation's own, readable by every organization. */
  organization_id: string | null;
  name: string;
  /** Larder's jobs push releases; a client does not write to a repository that they pushed to. */
  by: 'LARDER' | Actor;
};

/** $1 name, $2 organization: what the organization may read. A foreign repository and an absent one give the same: nothing. */
export const READABLE = `select id, name from repositories where name = $1 and (organization_id = $2 or organization_id is null)`;

/**
 * $1 name, $2 organization: what is the organization's own; whether Larder has claimed it (nothing is deleted there) or has
 * reserved its name (nothing but referrers is pushed there either way; what clients pushed before names were reserved may go).
 */
export const OWN = `select id, larder_since is not null as is_larders,
     larder_since is not null or organization_id is not null and name ~ '${RESERVED}' as is_closed
   from repositories where name = $1 and organization_id is not distinct from $2::uuid`;

/**
 * The same for a write: locked until its transaction ends, so that Larder claims it before, and the write sees that, or
 * after. Only share locks: writes do not wait for each other.
 */
export const WRITABLE = `${OWN} for share`;

/** $1 name, $2 organization: makes the repository Larder's. Writes nothing when it is already. */
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
 * Runs a statement that writes into a repository and answers its row; without a row the repository is made and the
 * statement runs again. Throws DENIED when the name can never be the owner's, and for a client's under a reserved name.
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

/** Makes a repository Larder's for good, before anything is pushed to it. Throws DENIED as `writeInto` does. */
export async function claimRepository(ask: Ask, repository: RepositoryRef): Promise<void> {
  await writeInto(ask, repository, () => ask(CLAIM, [repository.name, repository.organization_id]));
}

/** Whether clients push nothing but referrers to a repository; for one that is not there its name says it. */
export async function isClosed(ask: Ask, repository: RepositoryRef): Promise<boolean> {
  const [row] = await ask(FIND_OWN, [repository.name, repository.organization_id]);
  return row?.is_closed ?? isReserved(repository.name);
}

/** Names of an organization's repositories that hold anything, after `last`, in byte order. */
export async function listRepositories(
  ask: Ask,
  page: { organization_id: string; last: string | null; limit: number },
): Promise<string[]> {
  return (await ask(LIST, [page.organization_id, page.last, page.limit])).map(({ name }) => name);
}
