// Stores the product library and the discovered versions. Makes pipelines if versions, recipes or packages have changed.
import { sql } from 'kysely';
import { addUses } from '../content/content-uses.ts';
import type { Digest, PipelineTrigger, WaveCause } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import type { Transaction } from '../db/database.ts';
import { json } from '../db/tables.ts';
import type { Recipe } from '../plan/recipe.ts';
import { type PackageOffer, recordOffers } from './locked-packages.ts';
import { addNeeded } from './needed-applications.ts';
import { createWave } from './waves.ts';

export type DiscoveredProduct = {
  recipe: Recipe;
  recipe_digest: Digest;
  /** The files of the recipe. The content store keeps them while the product exists. */
  contents: Digest[];
  /**
   * The discovered versions, for each operating system whose package archive could be queried. The rows of other operating
   * systems stay unchanged.
   */
  found: { operating_system: string; versions: DiscoveredVersion[] }[];
};

/** The newest version of a branch, with the package URL of the product's main input. */
export type DiscoveredVersion = { branch: string; version: string; purl: string };

/** The number of pipelines that were made. */
export type Discovery = { pipelines: number };

/**
 * Stores the whole library: products, branches, versions and offerings. A product that no longer has a recipe is deprecated.
 * Makes one pipeline for an application if its branch has a new upstream version (UPSTREAM_UPDATE), if the recipe or the
 * distribution's package changed (MAINTENANCE), or if a package that its release locks has a newer version. The pipeline has
 * a trigger for each of these changes. A chart gets the applications that its recipe now needs.
 */
export async function recordDiscovery(
  tx: Transaction,
  products: DiscoveredProduct[],
  offers: readonly PackageOffer[] = [],
): Promise<Discovery> {
  // Only one discovery runs at a time. Otherwise each of two concurrent discoveries would treat the versions that the other
  // stores as changes.
  await sql`lock table products in share row exclusive mode`.execute(tx);
  const reasons: Reasons = new Map();
  const build = (ids: string[], cause: DiscoveryCause, trigger: PipelineTrigger) => {
    for (const id of ids) reasons.set(id, [...(reasons.get(id) ?? []), { cause, trigger }]);
  };
  for (const product of products) {
    const { recipe } = product;
    if (await recordProduct(tx, product)) {
      build(await findApplications(tx, { product_key: recipe.key }), 'RECIPE', { type: 'MAINTENANCE' });
    }
    for (const { operating_system, versions } of product.found) {
      const systemId = await operatingSystemId(tx, operating_system);
      for (const version of versions) {
        const moved = await recordVersion(tx, { recipe, operating_system_id: systemId, version });
        if (!moved) continue;
        const where = { product_key: recipe.key, branch: version.branch, operating_system_id: systemId };
        build(await findApplications(tx, where), 'VERSION', { type: moved });
      }
      await withdrawOthers(tx, { product_key: recipe.key, operating_system_id: systemId, versions });
    }
  }
  await deprecateOthers(
    tx,
    products.map(({ recipe }) => recipe.key),
  );
  for (const { application_ids, triggers } of await recordOffers(tx, offers)) {
    for (const trigger of triggers) build(application_ids, 'PACKAGE', trigger);
  }
  build(await addNeeded(tx), 'RECIPE', { type: 'MAINTENANCE' });
  return { pipelines: await createWaves(tx, reasons) };
}

/**
 * The causes of waves that a discovery makes, the most important first. A wave has the most important cause of its
 * applications.
 */
const DISCOVERY_CAUSES = ['VERSION', 'PACKAGE', 'RECIPE'] as const satisfies readonly WaveCause[];
type DiscoveryCause = (typeof DISCOVERY_CAUSES)[number];

/** The reasons for the rebuild of each application, by the application's id. */
type Reasons = Map<string, { cause: DiscoveryCause; trigger: PipelineTrigger }[]>;

/** Makes one wave for all applications that have the same reasons. Returns the number of pipelines. */
async function createWaves(tx: Transaction, reasons: Reasons): Promise<number> {
  type Group = { cause: DiscoveryCause; triggers: PipelineTrigger[]; ids: string[] };
  const groups = new Map<string, Group>();
  for (const [id, own] of reasons) {
    const triggers = new Map(own.map(({ trigger }) => [`${trigger.type} ${trigger.context ?? ''}`, trigger]));
    const key = [...triggers.keys()].sort();
    const group = groups.get(key.join('\n')) ?? {
      cause: DISCOVERY_CAUSES.find((cause) => own.some((reason) => reason.cause === cause)) ?? 'VERSION',
      triggers: key.flatMap((one) => triggers.get(one) ?? []),
      ids: [],
    };
    group.ids.push(id);
    groups.set(key.join('\n'), group);
  }
  let made = 0;
  for (const { cause, triggers, ids } of groups.values()) {
    made += (await createWave(tx, { cause, application_ids: ids, triggers, keep_pins: false })).length;
  }
  return made;
}

/** Stores the product. Returns true if the product already existed with another recipe. */
async function recordProduct(tx: Transaction, product: DiscoveredProduct): Promise<boolean> {
  const { recipe } = product;
  const known = await tx
    .selectFrom('products')
    .select('recipe_digest')
    .where('key', '=', recipe.key)
    .executeTakeFirst();
  const facts = {
    name: recipe.name,
    description: recipe.description,
    long_display_name: recipe.long_display_name,
    disclaimer: recipe.disclaimer,
    category: recipe.category,
    licenses: recipe.licenses.map(({ key }) => key),
    home_url: recipe.home_url ?? null,
    status: 'ACTIVE' as const,
    recipe: json(recipe),
    recipe_digest: product.recipe_digest,
  };
  if (!known) {
    await tx
      .insertInto('products')
      .values({ key: recipe.key, ...facts })
      .execute();
  } else {
    const moved = known.recipe_digest !== product.recipe_digest;
    await tx
      .updateTable('products')
      .set({ ...facts, ...(moved && { updated_at: now }) })
      .where('key', '=', recipe.key)
      .execute();
  }
  await addUses(tx, { kind: 'plan', id: `recipe:${recipe.key}` }, product.contents);
  return known !== undefined && known.recipe_digest !== product.recipe_digest;
}

type RecordedVersion = { recipe: Recipe; operating_system_id: string; version: DiscoveredVersion };

/**
 * Stores the branch, its offerings and the version. Returns the trigger with which the branch's applications must be rebuilt.
 * Returns undefined if nothing changed or the branch is new.
 */
async function recordVersion(
  tx: Transaction,
  { recipe, operating_system_id, version }: RecordedVersion,
): Promise<'UPSTREAM_UPDATE' | 'MAINTENANCE' | undefined> {
  await recordBranch(tx, { recipe, operating_system_id, branch: version.branch });
  const of = { product_key: recipe.key, branch: version.branch, operating_system_id };
  const latest = await tx
    .selectFrom('product_versions')
    .select(['version', 'purl'])
    .where('product_key', '=', of.product_key)
    .where('branch', '=', of.branch)
    .where('operating_system_id', '=', operating_system_id)
    .where('is_latest', '=', true)
    .executeTakeFirst();
  if (latest?.version === version.version && latest.purl === version.purl) return undefined;
  await tx
    .updateTable('product_versions')
    .set({ is_latest: false })
    .where('product_key', '=', of.product_key)
    .where('branch', '=', of.branch)
    .where('operating_system_id', '=', operating_system_id)
    .execute();
  await tx
    .insertInto('product_versions')
    .values({ ...of, version: version.version, purl: version.purl, is_latest: true })
    .onConflict((conflict) =>
      conflict
        .columns(['product_key', 'branch', 'operating_system_id', 'version'])
        .doUpdateSet({ purl: version.purl, is_latest: true }),
    )
    .execute();
  if (!latest) return undefined;
  return latest.version === version.version ? 'MAINTENANCE' : 'UPSTREAM_UPDATE';
}

async function recordBranch(
  tx: Transaction,
  { recipe, operating_system_id, branch }: { recipe: Recipe; operating_system_id: string; branch: string },
): Promise<void> {
  const end_of_life_at = recipe.life_cycle?.find((phase) => phase.branch === branch)?.end_of_life ?? null;
  await tx
    .insertInto('product_branches')
    .values({ product_key: recipe.key, branch, end_of_life_at })
    .onConflict((conflict) => conflict.columns(['product_key', 'branch']).doUpdateSet({ end_of_life_at }))
    .execute();
  await sql`
    insert into offerings (product_key, branch, packaging_type)
    select ${recipe.key}, ${branch}, type from unnest(${recipe.packaging_types}::text[]) as type
    on conflict (product_key, branch, packaging_type) do update set status = 'ENABLED'
      where offerings.status = 'DEPRECATED'`.execute(tx);
  await sql`
    insert into offering_operating_systems (offering_id, operating_system_id)
    select id, ${operating_system_id} from offerings
    where product_key = ${recipe.key} and branch = ${branch} and packaging_type = any(${recipe.packaging_types}::text[])
    on conflict do nothing`.execute(tx);
}

/** Withdraws the offerings of branches that the package archive of the operating system no longer has. */
async function withdrawOthers(
  tx: Transaction,
  of: { product_key: string; operating_system_id: string; versions: DiscoveredVersion[] },
): Promise<void> {
  const branches = of.versions.map(({ branch }) => branch);
  await sql`
    delete from offering_operating_systems fo using offerings f
    where f.id = fo.offering_id and f.product_key = ${of.product_key}
      and fo.operating_system_id = ${of.operating_system_id} and f.branch <> all(${branches}::text[])`.execute(tx);
  await sql`
    update product_versions set is_latest = false
    where product_key = ${of.product_key} and operating_system_id = ${of.operating_system_id} and is_latest
      and branch <> all(${branches}::text[])`.execute(tx);
}

async function deprecateOthers(tx: Transaction, keys: string[]): Promise<void> {
  await sql`
    update products set status = 'DEPRECATED', updated_at = now()
    where key <> all(${keys}::text[]) and status = 'ACTIVE'`.execute(tx);
  await sql`
    update offerings set status = 'DEPRECATED'
    where product_key <> all(${keys}::text[]) and status = 'ENABLED'`.execute(tx);
}

async function findApplications(
  tx: Transaction,
  where: { product_key: string; branch?: string; operating_system_id?: string },
): Promise<string[]> {
  const found = await sql<{ id: string }>`
    select a.id from applications a join base_images b on b.id = a.base_image_id
    where a.product_key = ${where.product_key} and a.removed_at is null
      and (${where.branch ?? null}::text is null or a.branch = ${where.branch ?? null})
      and (${where.operating_system_id ?? null}::uuid is null
        or b.operating_system_id = ${where.operating_system_id ?? null})
    order by a.id`.execute(tx);
  return found.rows.map((row) => row.id);
}

async function operatingSystemId(tx: Transaction, key: string): Promise<string> {
  const row = await tx.selectFrom('operating_systems').select('id').where('key', '=', key).executeTakeFirst();
  if (!row) throw new Error(`The product library names the operating system ${key}, which does not exist`);
  return row.id;
}
