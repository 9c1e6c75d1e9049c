// Checks with one statement that an organization can see all resources that a request names.
import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import { notFound, rejectViolations, type Violation } from './errors.ts';
import { isReleaseId, isUuid } from './ids.ts';
import type { Count } from './list-counts.ts';
import type { Principal } from './principal.ts';

type Noun = 'application' | 'base image' | 'catalog' | 'operating system' | 'registry' | 'release';

/**
 * An id in the query or body of a request. If the id is malformed or belongs to another organization, `field` gets a
 * violation.
 */
export type Reference = { field: string; noun: Noun; id: string };

/**
 * A statement with at most this many references is prepared. Most list requests have at most two references: the catalog and
 * one more id. So there are only few different statements.
 */
const PREPARED_REFERENCES_MAX = 2;

type InCatalog = { catalog_id: string; references?: Reference[] };

/**
 * Throws NOT_FOUND if the catalog does not belong to the organization. Throws INVALID with the references that the
 * organization cannot see. Applications and releases must be in the catalog.
 */
export async function requireCatalog(db: Database, principal: Principal, options: InCatalog): Promise<void> {
  await lookInCatalog(db, principal, options);
}

/** Like `requireCatalog`, but also returns the result of `count`. Both run in one statement. */
export async function countInCatalog(
  db: Database,
  principal: Principal,
  options: InCatalog & { count: Count },
): Promise<number> {
  return await lookInCatalog(db, principal, options);
}

async function lookInCatalog(
  db: Database,
  principal: Principal,
  options: InCatalog & { count?: Count },
): Promise<number> {
  const catalog: Reference = { field: 'catalog_id', noun: 'catalog', id: options.catalog_id };
  const references = [catalog, ...(options.references ?? [])];
  const { missing, total } = await look(db, principal, { ...options, references });
  if (missing.has(catalog)) throw notFound('catalog');
  rejectViolations([...missing].map(toViolation));
  return total;
}

/** Throws INVALID with the references that the organization cannot see. */
export async function requireReferences(db: Database, principal: Principal, references: Reference[]): Promise<void> {
  if (references.length === 0) return;
  const { missing } = await look(db, principal, { references });
  rejectViolations([...missing].map(toViolation));
}

function toViolation(reference: Reference): Violation {
  return { field: reference.field, message: `There is no ${reference.noun} ${reference.id}` };
}

async function look(
  db: Database,
  principal: Principal,
  options: { references: Reference[]; catalog_id?: string; count?: Count },
): Promise<{ missing: Set<Reference>; total: number }> {
  const asked = options.references.filter(isWellFormed);
  const missing = new Set(options.references.filter((reference) => !isWellFormed(reference)));
  const catalogId = options.catalog_id !== undefined && isUuid(options.catalog_id) ? options.catalog_id : null;
  if (asked.length === 0) return { missing, total: 0 };
  // With a malformed id, the count would fail in PostgreSQL. The count is not needed then, because the caller throws INVALID.
  const count = missing.size === 0 ? options.count : undefined;
  const checks = asked.map((reference) => sql`exists(${lookup(reference, principal, catalogId)})`);
  const mark = asked.length <= PREPARED_REFERENCES_MAX && count?.isPrepared !== false ? prepared : sql``;
  const found = await sql<{ found: boolean[]; total: number }>`${mark} select array[${sql.join(checks)}] as found,
    ${count === undefined ? sql`0` : sql`(${count.total})`} as total`.execute(db);
  const [row] = found.rows;
  asked.forEach((reference, index) => {
    if (!row?.found[index]) missing.add(reference);
  });
  return { missing, total: row?.total ?? 0 };
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
