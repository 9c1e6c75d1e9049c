// Releases. A pipeline makes one release for each registry to which it pushes an application.
import { sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { EmbeddedRelease, LatestRelease, Release } from '../contract/release.ts';
import { publicKeyPath } from '../contract/signing-key.ts';
import type { Digest, PackagingType, PlatformFamily } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import type { PlatformFiles } from '../db/tables.ts';
import { notFound } from './errors.ts';
import { isReleaseId, isUuid } from './ids.ts';
import { scannedCount, storedCount } from './list-counts.ts';
import type { Principal } from './principal.ts';
import { countInCatalog, type Reference } from './references.ts';
import { type PartKeys, readSharedParts, type SharedParts } from './shared-parts.ts';
import {
  allOf,
  type CustomizationPart,
  customizationPart,
  idsOf,
  isPast,
  jsonList,
  latestReleaseInfo,
  pageWindow,
  present,
  productPath,
  toCustomization,
  toMetadata,
  toPage,
  wireMidnight,
  wireTime,
} from './wire.ts';

type ReleaseRow = PartKeys & {
  id: string;
  catalog_id: string;
  application_id: string;
  pipeline_id: string;
  branch: string;
  end_of_life_at: string | null;
  version: string;
  revision: string;
  released_at: string;
  packaging_type: PackagingType;
  content_digest: Digest;
  repo_digest: Digest;
  artifact_name: string;
  artifact_version: string;
  repository: string;
  moved_from: string | null;
  latest_release: LatestRelease;
  metadata: PlatformFiles[];
  distro: string;
  customizations: CustomizationPart[];
  dependencies: string[];
  dependants: string[];
  verified: boolean;
  signing_key_ids: string[];
  namespace: string;
};

/** Lists the releases of a catalog, newest first. At most four statements, or five if related releases are requested. */
export async function listReleases(
  db: Database,
  principal: Principal,
  input: Input<'listReleases'>,
): Promise<Output<'listReleases'>> {
  const where = allOf([
    sql`r.organization_id = ${principal.organization_id} and r.catalog_id = ${input.catalog_id}`,
    input.application_id === undefined ? undefined : sql`r.application_id = ${input.application_id}`,
    input.registry_id === undefined ? undefined : sql`r.registry_id = ${input.registry_id}`,
    input.content_digest === undefined ? undefined : sql`r.content_digest = ${input.content_digest}`,
    input.repo_digest === undefined ? undefined : sql`r.repo_digest = ${input.repo_digest}`,
  ]);
  const narrowed = input.application_id ?? input.content_digest ?? input.repo_digest;
  const total = await countInCatalog(db, principal, {
    catalog_id: input.catalog_id,
    references: references(input),
    count:
      narrowed === undefined
        ? storedCount(principal, { catalog_id: input.catalog_id, nouns: ['release'] })
        : scannedCount(sql`releases r where ${where}`),
  });
  if (isPast(input, total)) return toPage(input, total, []);
  const ids = await idsOf(
    db,
    sql`select r.id from releases r where ${where} order by r.released_at desc, r.id ${pageWindow(input)}`,
  );
  const rows = await readReleaseRows(db, principal, ids);
  const items = await expand(db, principal, { rows, wanted: input.expand_relationships && !input.minimal_info });
  return toPage(input, total, input.minimal_info ? items.map(toMinimal) : items);
}

/** Returns one release. Three statements, or four if related releases are requested. Throws NOT_FOUND. */
export async function getRelease(
  db: Database,
  principal: Principal,
  input: Input<'getRelease'>,
): Promise<Output<'getRelease'>> {
  if (!isUuid(input.catalog_id) || !isReleaseId(input.release_id)) throw notFound('release');
  const own = sql`
    select r.id from releases r join catalogs c on c.id = r.catalog_id
    where r.organization_id = ${principal.organization_id} and r.catalog_id = ${input.catalog_id}
      and r.id = ${input.release_id.toLowerCase()} and c.removed_at is null`;
  const rows = await readReleaseRows(db, principal, await idsOf(db, own));
  const [release] = await expand(db, principal, { rows, wanted: input.expand_relationships });
  if (!release) throw notFound('release');
  return release;
}

/** Converts rows to releases. Adds related releases if they are requested. */
async function expand(
  db: Database,
  principal: Principal,
  options: { rows: ReleaseRow[]; wanted: boolean },
): Promise<Release[]> {
  const { rows, wanted } = options;
  if (rows.length === 0) return [];
  const ids = wanted ? rows.flatMap((row) => [...row.dependencies, ...row.dependants]) : [];
  const related = await readReleaseRows(db, principal, [...new Set(ids)]);
  const parts = await readSharedParts(db, principal, [...rows, ...related]);
  if (!wanted) return rows.map((row) => toRelease(row, parts));
  const releases = new Map(related.map((row) => [row.id, toRelease(row, parts)]));
  const embedded = (ids: string[]) => ids.flatMap((id) => releases.get(id) ?? []);
  return rows.map((row) => ({
    ...toRelease(row, parts),
    dependencies: embedded(row.dependencies),
    dependants: embedded(row.dependants),
  }));
}

/** Returns the organization's releases with these ids, in the given order. */
export async function readReleaseRows(
  db: Database,
  principal: Principal,
  ids: readonly string[],
): Promise<ReleaseRow[]> {
  if (ids.length === 0) return [];
  const found = await sql<ReleaseRow>`${prepared}
    select r.id, r.catalog_id, r.application_id, r.pipeline_id, a.branch,
      ${wireMidnight('pb.end_of_life_at')} as end_of_life_at, r.version, r.revision::text as revision,
      ${wireTime('r.released_at')} as released_at, a.packaging_type, r.content_digest, r.repo_digest, r.artifact_name,
      r.artifact_version, r.repository, r.moved_from, ${latestReleaseInfo('latest')} as latest_release,
      a.product_key, r.metadata, r.base_image_id, o.key as distro, r.registry_id,
      ${jsonList(sql`select ${customizationPart('v')} from release_customizations rc
        join customization_versions v on v.customization_id = rc.customization_id and v.version = rc.version
        where rc.release_id = r.id order by rc.position`)} as customizations,
      exists (select from pipeline_phases s where s.pipeline_id = r.pipeline_id and s.type = 'VERIFICATION'
        and s.status = 'SUCCEEDED') as verified,
      r.signing_key_ids, tenant.namespace,
      array(select e.depends_on_id from release_edges e where e.release_id = r.id order by 1) as dependencies,
      array(select e.release_id from release_edges e where e.depends_on_id = r.id order by 1) as dependants
    from unnest(${ids}::text[]) with ordinality page (id, place)
    join releases r on r.id = page.id and r.organization_id = ${principal.organization_id}
    join organizations tenant on tenant.id = r.organization_id
    join applications a on a.id = r.application_id
    join product_branches pb on pb.product_key = a.product_key and pb.branch = a.branch
    join base_images b on b.id = r.base_image_id
    join operating_systems o on o.id = b.operating_system_id
    join lateral (select n.id, n.version, n.revision, n.released_at from releases n
      where n.application_id = r.application_id and n.registry_id = r.registry_id
      order by n.released_at desc, n.id limit 1) latest on true
    order by page.place`.execute(db);
  return found.rows;
}

function references(input: Input<'listReleases'>): Reference[] {
  const given: Reference[] = [];
  if (input.application_id !== undefined) {
    given.push({ field: 'application_id', noun: 'application', id: input.application_id });
  }
  if (input.registry_id !== undefined) given.push({ field: 'registry_id', noun: 'registry', id: input.registry_id });
  return given;
}

/** Converts a row to a release. `parts` contains the objects that several rows of a page share. */
export function toRelease(row: ReleaseRow, parts: SharedParts): EmbeddedRelease {
  const catalog = `/v1/catalogs/${row.catalog_id}`;
  const release = (id: string) => ({ href: `${catalog}/releases/${id}` });
  return present<EmbeddedRelease>({
    id: row.id,
    branch: row.branch,
    end_of_life_at: row.end_of_life_at,
    version: row.version,
    revision: row.revision,
    released_at: row.released_at,
    packaging_type: row.packaging_type,
    artifact: {
      content_digest: row.content_digest,
      repo_digest: row.repo_digest,
      name: row.artifact_name,
      version: row.artifact_version,
      repository: row.repository,
      url: `${row.repository}/${row.artifact_name}:${row.artifact_version}`,
    },
    latest_release: row.latest_release,
    product: parts.product(row.product_key),
    platforms: platformsOf(row.metadata),
    platform_release_metadata: row.metadata.map(({ platform, files }) => ({
      ...(platform ? { platform } : {}),
      release_metadata: files.map((file) => toMetadata(row.catalog_id, file)),
    })),
    base_image: parts.baseImage(row.base_image_id),
    registry: parts.registry(row.registry_id),
    catalog_id: row.catalog_id,
    application_id: row.application_id,
    customizations: row.customizations.map((part) => toCustomization(row.catalog_id, part)),
    pipeline_id: row.pipeline_id,
    verified: row.verified,
    moved_from: row.moved_from,
    signing_keys: signingKeysOf(row),
    // Always true, because customizations apply to every packaging type.
    supports_customizations: true,
    // Larder has no trials.
    trial: false,
    _links: {
      catalog: { href: catalog },
      application: { href: `${catalog}/applications/${row.application_id}` },
      base_image: { href: `/v1/base-images/${row.base_image_id}` },
      latest_release: release(row.latest_release.id),
      dependencies: row.dependencies.map(release),
      dependants: row.dependants.map(release),
      self: release(row.id),
      registry: { href: `/v1/registries/${row.registry_id}` },
      product: { href: productPath(row) },
      pipeline: { href: `${catalog}/pipelines/${row.pipeline_id}` },
    },
  });
}

function signingKeysOf({ signing_key_ids, namespace }: ReleaseRow): Release['signing_keys'] {
  if (signing_key_ids.length === 0) return undefined;
  return signing_key_ids.map((id) => ({ id, public_key_url: publicKeyPath(namespace, id) }));
}

function platformsOf(metadata: PlatformFiles[]): PlatformFamily[] {
  const platforms = new Map<string, PlatformFamily>();
  for (const { platform } of metadata) {
    if (platform) platforms.set(`${platform.os_family}/${platform.architecture}`, platform);
  }
  return [...platforms.values()];
}

/** Returns only the fields that a release always has. */
function toMinimal(release: Release): Release {
  const { id, version, revision, released_at, artifact, _links } = release;
  return { id, version, revision, released_at, artifact, _links };
}
