// Do the things that a request names exist for this organization: one statement for all of them.
import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { notFound, refuse, type Violation } from './errors.ts';
import { isReleaseId, isUuid } from './ids.ts';
import type { Principal } from './principal.ts';

type Noun = 'application' | 'base image' | 'catalog' | 'operating system' | 'registry' | 'release';

/** An id in a query or a body; a foreign or malformed one is a violation of its field. */
export type Reference = { field: string; noun: Noun; id: string };

/**
 * Throws NOT_FOUND unless the catalog is this organization's, then INVALID for the references that name nothing that it
 * may see. Applications and releases must be of the catalog.
 */
export async function requireCatalog(
  db: Database,
  principal: Principal,
  options: { catalog_id: string; references?: Reference[] },
): Promise<void> {
  const catalog: Reference = { field: 'catalog_id', noun: 'catalog', id: options.catalog_id };
  const references = [catalog, ...(options.references ?? [])];
  const found = await findMissing(db, principal, { references, catalog_id: options.catalog_id });
  if (found.has(catalog)) throw notFound('catalog');
  refuse([...found].map(toViolation));
}

/** Throws INVALID for the references that name nothing this organization may see. */
export async function requireReferences(db: Database, principal: Principal, references: Reference[]): Promise<void> {
  if (references.length === 0) return;
  const missing = await findMissing(db, principal, { references });
  refuse([...missing].map(toViolation));
}

function toViolation(reference: Reference): Violation {
  return { field: reference.field, message: `There is no ${reference.noun} ${reference.id}` };
}

async function findMissing(
  db: Database,
  principal: Principal,
  options: { references: Reference[]; catalog_id?: string },
): Promise<Set<Reference>> {
  const asked = options.references.filter(isWellFormed);
  const missing = new Set(options.references.filter((reference) => !isWellFormed(reference)));
  const catalogId = options.catalog_id !== undefined && isUuid(options.catalog_id) ? options.catalog_id : null;
  if (asked.length === 0) return missing;
  const checks = asked.map((reference) => sql`exists(${lookup(reference, principal, catalogId)})`);
  const found = await sql<{ found: boolean[] }>`select array[${sql.join(checks)}] as found`.execute(db);
  asked.forEach((reference, index) => {
    if (!found.rows[0]?.found[index]) missing.add(reference);
  });
  return missing;
}

function isWellFormed(reference: Reference): boolean {
  return reference.noun === 'release' ? isReleaseId(reference.id) : isUuid(reference.id);
}

function lookup(reference: Reference, principal: Principal, catalogId: string | null): RawBuilder<unknown> {
  const own = sql`id = ${reference.id} and organization_id = ${principal.organization_id}`;
  switch (reference.noun) {
    case 'catalog':
      return sql`select from catalogs where ${own} and removed_at is null`;
    case 'application':
      return sql`select from applications where ${own} and catalog_id = ${catalogId}`;
    case 'release':
      return sql`select from releases where ${own} and catalog_id = ${catalogId}`;
    case 'registry':
      return sql`select from registries where ${own}`;
    case 'base image':
      return sql`select from base_images where id = ${reference.id}
        and (organization_id = ${principal.organization_id} or organization_id is null)`;
    case 'operating system':
      return sql`select from operating_systems where id = ${reference.id}`;
  }
}
