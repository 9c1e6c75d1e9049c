// Parts of responses that many functions use: small objects built by SQL, paths of resources, and pages.
import { type RawBuilder, sql } from 'kysely';
import type { Customization } from '../contract/customization-version.ts';
import type { PipelineMetadata } from '../contract/file.ts';
import type { Digest, MetadataFile, PackagingType } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { wireTime } from '../db/page.ts';

export {
  allOf,
  containing,
  direction,
  isPast,
  pageWindow,
  present,
  toPage,
  wireTime,
} from '../db/page.ts';

/** SQL: the midnight at which the day in a date column begins. */
export function wireMidnight(column: string): RawBuilder<string> {
  return sql`to_char(${sql.raw(column)}, 'YYYY-MM-DD"T00:00:00.000Z"')`;
}

/** SQL: the ProductInfo of the contract, from the row of products with alias `p`. */
export function productInfo(p: string): RawBuilder<never> {
  const of = (column: string) => sql.raw(`${p}.${column}`);
  return sql`json_build_object('name', ${of('name')}, 'key', ${of('key')}, 'description', ${of('description')},
    'long_display_name', ${of('long_display_name')}, 'disclaimer', ${of('disclaimer')}, 'category', ${of('category')},
    'based_on_scratch', false, 'latest_free', true)`;
}

/** SQL: the OperatingSystem of the contract, from the row of operating_systems with alias `o`. */
export function operatingSystem(o: string): RawBuilder<never> {
  const of = (column: string) => sql.raw(`${o}.${column}`);
  return sql`json_build_object('id', ${of('id')}, 'name', ${of('name')}, 'distro', ${of('distro')},
    'version', ${of('version')})`;
}

/** SQL: the Registry of the contract, from the row of registries with alias `r`. */
export function registryInfo(r: string): RawBuilder<never> {
  const of = (column: string) => sql.raw(`${r}.${column}`);
  return sql`json_strip_nulls(json_build_object('id', ${of('id')}, 'name', ${of('name')}, 'url', ${of('url')},
    'healthy', ${of('healthy')}, 'last_checked_at', ${wireTime(`${r}.last_checked_at`)}))`;
}

/**
 * SQL: an address without its scheme. The address of a registry consists of its host and the path with which its repositories
 * begin.
 */
function withoutScheme(url: RawBuilder<unknown>): RawBuilder<string> {
  return sql`rtrim(regexp_replace(${url}, '^[a-z]+://', ''), '/')`;
}

/**
 * SQL: the image reference of a base image, with the host of its registry. Larder's own base images are in the hosted
 * registry, but not in the namespace of an organization. So for these base images, the namespace of the reader's hosted
 * registry is omitted.
 */
export function containerImage(b: string, organizationId: string): RawBuilder<string> {
  const image = sql.raw(`${b}.container_image`);
  return sql`case when ${sql.raw(`${b}.source`)} = 'REGISTRY'
    then (select ${withoutScheme(sql`pulled.url`)} || '/' || ${image} from registries pulled where pulled.id = ${sql.raw(`${b}.registry_id`)})
    else coalesce((select split_part(${withoutScheme(sql`hosting.url`)}, '/', 1) || '/' from registries hosting
      where hosting.organization_id = ${organizationId} and hosting.hosted and hosting.removed_at is null), '') || ${image} end`;
}

/** SQL: the BaseImage of the contract, from a row of base_images that is joined with its operating system. */
export function baseImageInfo(b: string, o: string, organizationId: string): RawBuilder<never> {
  const of = (column: string) => sql.raw(`${b}.${column}`);
  return sql`json_strip_nulls(json_build_object('id', ${of('id')}, 'name', ${of('name')},
    'description', ${of('description')}, 'container_image', ${containerImage(b, organizationId)},
    'operating_system', ${operatingSystem(o)}, 'healthy', ${of('healthy')},
    'last_checked_at', ${wireTime(`${b}.last_checked_at`)}))`;
}

/** SQL: the LatestRelease of the contract, from the row of releases with alias `r`. */
export function latestReleaseInfo(r: string): RawBuilder<never> {
  const of = (column: string) => sql.raw(`${r}.${column}`);
  return sql`json_build_object('id', ${of('id')}, 'revision', ${of('revision')}::text,
    'released_at', ${wireTime(`${r}.released_at`)}, 'version', ${of('version')})`;
}

/** A version of a customization, as stored. */
export type CustomizationPart = { id: string; version: number; digest: Digest; filename: string };

/** SQL: the CustomizationPart of the contract, from the row of customization_versions with alias `v`. */
export function customizationPart(v: string): RawBuilder<never> {
  const of = (column: string) => sql.raw(`${v}.${column}`);
  return sql`json_build_object('id', ${of('customization_id')}, 'version', ${of('version')}, 'digest', ${of('digest')},
    'filename', ${of('filename')})`;
}

/** Returns a customization as a part of other resources. */
export function toCustomization(catalogId: string, part: CustomizationPart): Customization {
  const id = hexOf(part.digest);
  return {
    id: part.id,
    version: `v${part.version}`,
    artifact: { id, url: filePath(catalogId, part.digest, part.filename), filename: part.filename },
  };
}

/** Returns a file of a release or a pipeline in the form of the API. */
export function toMetadata(catalogId: string, file: MetadataFile): PipelineMetadata {
  return {
    id: hexOf(file.digest),
    mime_type: file.mime_type,
    url: filePath(catalogId, file.digest, file.filename),
    filename: file.filename,
  };
}

function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** Returns the path at which the signed URL of a file is requested. */
export function filePath(catalogId: string, digest: Digest, filename: string): string {
  return `/v1/catalogs/${catalogId}/files/${hexOf(digest)}?filename=${encodeURIComponent(filename)}`;
}

/** Returns the path of a branch in the main catalog, with a filter for the application's packaging type. */
export function productPath(of: {
  product_key: string;
  branch: string;
  packaging_type: PackagingType;
  distro: string;
}): string {
  const path = `/v1/applications/product/${encodeURIComponent(of.product_key)}/branch/${encodeURIComponent(of.branch)}`;
  return `${path}?packaging=${of.packaging_type}&distro=${encodeURIComponent(of.distro)}`;
}

/**
 * Returns the ids that a statement selects, in order. A second statement then reads the rows. The text of the second
 * statement is always the same, so it can be prepared.
 */
export async function idsOf(db: Database, statement: RawBuilder<unknown>): Promise<string[]> {
  const found = await sql<{ id: string }>`${statement}`.execute(db);
  return found.rows.map(({ id }) => id);
}

/**
 * SQL: the values that a statement with one column selects, as a JSON array. An SQL array would be slower, because the driver
 * parses it character by character. With an SQL array, this parsing took a tenth of the time for a page.
 */
export function jsonList(select: RawBuilder<unknown>): RawBuilder<never> {
  return sql`array_to_json(array(${select}))`;
}
