// The rows that say which repositories there are and whose they are.
import { denied } from './refusal.ts';
import { type Ask, statement } from './statements.ts';

/** A repository as its owner names it. Absent organization: the installation's own, readable by every organization. */
export type RepositoryRef = { organization_id: string | null; name: string };

/** $1 name, $2 organization: what the organization may read. A foreign repository and an absent one give the same: nothing. */
export const READABLE = `select id, name from repositories where name = $1 and (organization_id = $2 or organization_id is null)`;

/** $1 name, $2 organization: what the organization may write to. */
export const WRITABLE = `select id from repositories where name = $1 and organization_id is not distinct from $2::uuid`;

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
 * statement runs again. Throws DENIED when the name can never be the owner's.
 */
export async function writeInto<Row>(ask: Ask, repository: RepositoryRef, write: () => Promise<Row[]>): Promise<Row> {
  const [row] = await write();
  if (row !== undefined) {
    return row;
  }
  const { organization_id, name } = repository;
  await (organization_id === null ? ask(CREATE_SHARED, [name]) : ask(CREATE_OWN, [name, organization_id]));
  const [again] = await write();
  if (again === undefined) {
    throw denied();
  }
  return again;
}

/** Names of an organization's repositories that hold anything, after `last`, in byte order. */
export async function listRepositories(
  ask: Ask,
  page: { organization_id: string; last: string | null; limit: number },
): Promise<string[]> {
  return (await ask(LIST, [page.organization_id, page.last, page.limit])).map(({ name }) => name);
}
