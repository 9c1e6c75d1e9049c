// The products, base images and registries of a page. Each one is read once, and all items that contain it share one object.
import { sql } from 'kysely';
import type { BaseImage } from '../contract/base-image.ts';
import type { ProductInfo } from '../contract/product.ts';
import type { Registry } from '../contract/registry.ts';
import type { Database } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import type { Principal } from './principal.ts';
import { baseImageInfo, productInfo, registryInfo } from './wire.ts';

/** The keys of the parts that a row has. */
export type PartKeys = { product_key: string; base_image_id: string; registry_id: string };

export type SharedParts = {
  product(key: string): ProductInfo;
  baseImage(id: string): BaseImage;
  registry(id: string): Registry;
};

type Found = {
  products: Record<string, ProductInfo> | null;
  base_images: Record<string, BaseImage> | null;
  registries: Record<string, Registry> | null;
};

/**
 * Reads all parts that the rows name, with one statement. The returned functions throw if the organization cannot see the
 * part.
 */
export async function readSharedParts(
  db: Database,
  principal: Principal,
  rows: readonly PartKeys[],
): Promise<SharedParts> {
  const keys = (of: (row: PartKeys) => string) => [...new Set(rows.map(of))];
  const own = sql`organization_id = ${principal.organization_id}`;
  const found = await sql<Found>`${prepared}
    select (select json_object_agg(p.key, ${productInfo('p')}) from products p
        where p.key = any(${keys((row) => row.product_key)}::text[])) as products,
      (select json_object_agg(b.id, ${baseImageInfo('b', 'o', principal.organization_id)})
        from base_images b join operating_systems o on o.id = b.operating_system_id
        where b.id = any(${keys((row) => row.base_image_id)}::uuid[]) and (b.${own} or b.organization_id is null)) as base_images,
      (select json_object_agg(g.id, ${registryInfo('g')}) from registries g
        where g.id = any(${keys((row) => row.registry_id)}::uuid[]) and g.${own}) as registries`.execute(db);
  const [row] = found.rows;
  return {
    product: lookupIn('product', row?.products),
    baseImage: lookupIn('base image', row?.base_images),
    registry: lookupIn('registry', row?.registries),
  };
}

function lookupIn<T extends object>(noun: string, found: Record<string, T> | null | undefined): (key: string) => T {
  const parts = new Map(Object.entries(found ?? {}));
  return (key) => {
    const part = parts.get(key);
    if (part === undefined) throw new Error(`The page names the ${noun} ${key}, which does not exist`);
    return part;
  };
}
