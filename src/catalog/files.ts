// Finds the files that a catalog serves by their digest and name.
import type { Digest } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import { isHexDigest, isUuid } from './ids.ts';
import type { Principal } from './principal.ts';

export type CatalogFile = { digest: Digest; filename: string; mime_type: string; size: number };

/**
 * Returns the file with this digest in the catalog. If the catalog serves one content under several names, `filename` selects
 * one. Throws NOT_FOUND.
 */
export async function getFile(
  db: Database,
  principal: Principal,
  input: { catalog_id: string; digest: string; filename: string },
): Promise<CatalogFile> {
  if (!isUuid(input.catalog_id) || !isHexDigest(input.digest)) throw notFound('file');
  const file = await db
    .selectFrom('catalog_files as f')
    .innerJoin('catalogs as c', 'c.id', 'f.catalog_id')
    .select(['f.digest', 'f.filename', 'f.mime_type', 'f.size_bytes as size'])
    .where('c.organization_id', '=', principal.organization_id)
    .where('c.removed_at', 'is', null)
    .where('f.catalog_id', '=', input.catalog_id)
    .where('f.digest', '=', `sha256:${input.digest}`)
    .orderBy((order) => order('f.filename', '=', input.filename), 'desc')
    .orderBy('f.filename')
    .limit(1)
    .executeTakeFirst();
  if (!file) throw notFound('file');
  return file;
}
