// Checks the offerings that a request names: whether each can be requested, and why not.
import { sql } from 'kysely';
import type { Input } from '../contract/endpoints.ts';
import { BASE_IMAGES_OF, type BaseImagePackagingType, type PackagingType } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { chartProducts, imageOffering } from '../pipelines/needed-applications.ts';
import type { Violation } from './errors.ts';
import { isUuid } from './ids.ts';

export type Creation = Extract<Input<'createApplicationRequest'>, { kind: 'CREATION' }>;

type OfferingRow = {
  id: string;
  product_key: string;
  branch: string;
  packaging_type: PackagingType;
  status: string;
  /** The packaging type that the organization gave when it registered the base image. */
  base_packaging_type: BaseImagePackagingType | null;
  /** True if the offering exists for the operating system of the base image. */
  fits: boolean;
  taken: boolean;
  /** The products of a chart whose image does not exist for the operating system of the base image. */
  unmet: string[];
  /** The id of the hidden application of this offering on the base image. Null if there is none. */
  hidden_id: string | null;
};

/** Returns the reason why an offering cannot be requested, or undefined if it can be requested. */
export function checkOffering(
  offering: OfferingRow | undefined,
  asked: { field: string; id: string; first: boolean; baseImageFound: boolean },
): Violation[] {
  const rejected = (message: string) => [{ field: asked.field, message }];
  if (!offering) return rejected(`There is no offering ${asked.id}`);
  if (!asked.first) return rejected('This offering is named twice');
  if (offering.status !== 'ENABLED') return rejected(`This offering is ${offering.status} and cannot be requested`);
  if (!asked.baseImageFound) return [];
  const baseType = BASE_IMAGES_OF[offering.packaging_type];
  if (offering.base_packaging_type !== baseType) {
    return rejected(
      `This offering requires a base image of the type ${baseType}; this base image is of the type ${offering.base_packaging_type}`,
    );
  }
  if (!offering.fits) return rejected("This offering does not exist for the base image's operating system");
  if (offering.unmet.length > 0) {
    return rejected(
      `This chart contains images that do not exist for the base image's operating system: ${offering.unmet.join(', ')}`,
    );
  }
  if (offering.taken) return rejected('The catalog already has this application on this base image');
  return [];
}

/** Returns the requested offerings that exist, by id. */
export async function findOfferings(tx: Transaction, input: Creation): Promise<Map<string, OfferingRow>> {
  const ids = input.application_offering_ids.filter(isUuid);
  const base = isUuid(input.base_image_id) ? input.base_image_id : null;
  const found = await sql<OfferingRow>`
    select f.id, f.product_key, f.branch, f.packaging_type, f.status,
      (select b.packaging_type from base_images b where b.id = ${base}) as base_packaging_type,
      exists (select from offering_operating_systems fo join base_images b on b.operating_system_id = fo.operating_system_id
        where fo.offering_id = f.id and b.id = ${base}) as fits,
      exists (select from applications a where a.catalog_id = ${input.catalog_id} and a.offering_id = f.id
        and a.base_image_id = ${base} and a.removed_at is null and a.requested) as taken,
      (select a.id from applications a where a.catalog_id = ${input.catalog_id} and a.offering_id = f.id
        and a.base_image_id = ${base} and a.removed_at is null and not a.requested) as hidden_id,
      array(select need.product_key from products p cross join lateral ${chartProducts('p')} need
        where p.key = f.product_key and f.packaging_type = 'HELM_CHART' and not exists (
          select from base_images b cross join lateral ${imageOffering(
            sql`need.product_key`,
            { key: sql`p.key`, branch: sql`f.branch` },
            sql`b.operating_system_id`,
          )} image where b.id = ${base})
        order by 1) as unmet
    from offerings f where f.id = any(${ids}::uuid[])`.execute(tx);
  return new Map(found.rows.map((row) => [row.id, row]));
}
