// Rejects the removal of a resource that is in use. The error names the objects that use it.
import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { CatalogError } from './errors.ts';

/** One kind of objects that may use the resource. `names` selects their names as one text column. */
type Users = { noun: string; names: RawBuilder<unknown> };

/** How many names the error lists for each kind of object, so that its text stays short. */
const NAMES_MAX = 5;

/**
 * Throws IN_USE if any object uses the resource. Example: `The registry is used by 7 applications (nginx 1.22, redis 7.0 and
 * 5 more) and 1 base image (Golden)`. One statement for each kind of object.
 */
export async function rejectInUse(tx: Transaction, thing: string, kinds: Users[]): Promise<void> {
  const descriptions: string[] = [];
  for (const { noun, names } of kinds) {
    const found = await sql<{ total: number; names: string[] | null }>`
      with users (name) as (${names})
      select count(*) as total, (select array_agg(name) from (select name from users order by name limit ${NAMES_MAX}) few) as names
      from users`.execute(tx);
    const { total = 0, names: few } = found.rows[0] ?? {};
    if (total > 0) descriptions.push(describe(noun, total, few ?? []));
  }
  if (descriptions.length > 0) throw new CatalogError('IN_USE', `${thing} is used by ${descriptions.join(' and ')}`);
}

function describe(noun: string, total: number, names: string[]): string {
  const more = total > names.length ? ` and ${total - names.length} more` : '';
  return `${total} ${noun}${total === 1 ? '' : 's'} (${names.join(', ')}${more})`;
}
