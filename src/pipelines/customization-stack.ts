// The customizations that apply to an application and have parts for its packaging type, their order, and the version of each.
import { sql } from 'kysely';
import type { Digest, PackagingType } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { type PartKind, partKindOf } from '../plan/chart-parts.ts';
import { partKindsOf, readStoredInspection, type StoredInspection } from '../plan/inspection.ts';

export type StackedCustomization = {
  id: string;
  version: number;
  name: string | null;
  digest: Digest;
  size_bytes: number;
  filename: string;
  inspection: StoredInspection;
  /**
   * The newest time in the archive, in seconds since 1970. If the version was inspected before this field existed, it is the
   * time of the upload.
   */
  epoch: number;
};

export type CustomizationStack = {
  /**
   * The customizations in the order in which they apply. First come those without a filter, then those for the base image,
   * the product and the branch. Older customizations come first in each of these groups. If two customizations set the same
   * file, the later one wins.
   */
  customizations: StackedCustomization[];
  /**
   * Current versions that should apply, but broke the application. The plan contains an earlier version of these
   * customizations, or none.
   */
  left_out: { id: string; version: number }[];
};

type StackRow = {
  id: string;
  current: number;
  taken: number | null;
  inspection: unknown;
  /** The kinds of parts of the current version. Null in older rows. */
  current_kinds: PartKind[] | null;
  packaging_type: PackagingType;
} & Omit<StackedCustomization, 'id' | 'version' | 'inspection'>;

/**
 * Returns the customizations of a pipeline's application, each with its current version. If the current version broke the
 * application, the customization has the version that the application's last release contains, or is omitted if there is
 * none. A pipeline that tries the current version again is an exception. One statement. Throws StoredValueError.
 */
export async function findCustomizationStack(db: Database, pipelineId: string): Promise<CustomizationStack> {
  const found = await sql<StackRow>`
    with applying as (
      select c.id, c.name, c.version as current, c.created_at, a.id as application_id, a.packaging_type,
        case when c.branch is not null then 3 when c.product_key is not null then 2
          when c.base_image_id is not null then 1 else 0 end as rank
      from pipelines l
      join applications a on a.id = l.application_id
      join customizations c on c.catalog_id = a.catalog_id and c.removed_at is null
        and (c.product_key is null or c.product_key = a.product_key)
        and (c.branch is null or c.branch = a.branch)
        and (c.base_image_id is null or c.base_image_id = a.base_image_id)
      where l.id = ${pipelineId}),
    chosen as (
      select s.*, case
        when not exists (
          select from customization_applications ca
          where ca.customization_id = s.id and ca.version = s.current and ca.application_id = s.application_id
            and ca.broke and ca.pipeline_id <> ${pipelineId}) then s.current
        else (
          select max(rc.version) from release_customizations rc join releases r on r.id = rc.release_id
          where rc.customization_id = s.id and r.application_id = s.application_id and rc.version < s.current) end as taken
      from applying s)
    select chosen.id, chosen.name, chosen.current, chosen.taken, chosen.packaging_type,
      n.inspection -> 'part_kinds' as current_kinds, v.digest, v.size_bytes, v.filename, v.inspection,
      coalesce((v.inspection->>'epoch')::bigint, extract(epoch from v.created_at)::bigint) as epoch
    from chosen
    join customization_versions n on n.customization_id = chosen.id and n.version = chosen.current
    left join customization_versions v on v.customization_id = chosen.id and v.version = chosen.taken
    order by chosen.rank, chosen.created_at, chosen.id`.execute(db);
  return {
    customizations: found.rows.flatMap((row) => takenOf(row) ?? []),
    left_out: found.rows
      .filter((row) => row.taken !== row.current && hasPartsFor(row, { part_kinds: row.current_kinds ?? undefined }))
      .map((row) => ({ id: row.id, version: row.current })),
  };
}

/**
 * Returns the customization with the version for the plan. Returns undefined if there is none, or if it has no parts for the
 * application.
 */
function takenOf({ taken, current: _, current_kinds: _kinds, ...row }: StackRow): StackedCustomization | undefined {
  if (taken === null) return undefined;
  const inspection = readStoredInspection(row.inspection, `${row.id} v${taken}`);
  const { packaging_type, ...stacked } = row;
  return hasPartsFor({ packaging_type }, inspection) ? { ...stacked, version: taken, inspection } : undefined;
}

function hasPartsFor(
  { packaging_type }: Pick<StackRow, 'packaging_type'>,
  inspection: { part_kinds?: PartKind[] | undefined },
): boolean {
  return partKindsOf(inspection).includes(partKindOf(packaging_type));
}
