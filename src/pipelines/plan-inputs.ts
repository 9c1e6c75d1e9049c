// Reads the inputs of a plan, and the registries of a distribution, from the database as plain values.
import { sql } from 'kysely';
import { RegistryCapabilities } from '../contract/registry-capabilities.ts';
import type { Digest, PackagingType, PipelineTrigger, RegistryProvider } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { readTriggers } from '../plan/metadata-file.ts';
import { type BasePin, readBasePin } from '../plan/pin.ts';
import { type Recipe, readStoredRecipe } from '../plan/recipe.ts';
import { storedValue } from '../plan/stored-value.ts';
import { type CustomizationStack, findCustomizationStack } from './customization-stack.ts';
import { releaseAddress } from './release-address.ts';

export type PlanInputs = CustomizationStack & {
  pipeline_id: string;
  organization_id: string;
  catalog_id: string;
  application_id: string;
  triggers: PipelineTrigger[];
  /** True if only customizations may change. The plan then keeps all other pins of the previous plan, if there is one. */
  keep_pins: boolean;
  force: boolean;
  packaging_type: PackagingType;
  product: { key: string; name: string; recipe: Recipe; recipe_digest: Digest };
  branch: string;
  /** The newest version that discovery found for this branch and operating system. Absent if discovery has found none yet. */
  version?: { version: string; purl: string };
  operating_system: { id: string; key: string; name: string; distro: string; version: string; codename: string };
  /** `newest` is absent if the base image has no version yet. */
  base_image: { id: string; name: string; newest?: { digest: Digest; pin: BasePin } };
  /** The plan of the failed pipeline that this pipeline retries. Absent if the failed pipeline had no plan. */
  retried?: { plan_digest: Digest };
  /** The newest release of the application that another pipeline made. */
  previous?: {
    release_id: string;
    plan_digest: Digest;
    base_digest: Digest;
    version: string;
    revision: number;
    repo_digest: Digest;
  };
};

type InputsRow = Omit<
  PlanInputs,
  'triggers' | 'product' | 'base_image' | 'version' | 'retried' | 'previous' | keyof CustomizationStack
> & {
  triggers: unknown;
  product: Omit<PlanInputs['product'], 'recipe'> & { recipe: unknown };
  base_image: { id: string; name: string; newest?: { digest: Digest; pin: unknown } };
  version: PlanInputs['version'] | null;
  retried: PlanInputs['retried'] | null;
  previous: PlanInputs['previous'] | null;
};

/**
 * Returns the inputs of a pipeline's plan, or undefined if the pipeline does not exist. Two statements. Throws
 * StoredValueError.
 */
export async function findPlanInputs(db: Database, pipelineId: string): Promise<PlanInputs | undefined> {
  const found = await sql<InputsRow>`
    select l.id as pipeline_id, l.organization_id, l.catalog_id, l.application_id, l.triggers, l.keep_pins, l.force,
      a.packaging_type, a.branch,
      json_build_object('key', p.key, 'name', p.name, 'recipe', p.recipe, 'recipe_digest', p.recipe_digest) as product,
      (select json_build_object('version', v.version, 'purl', v.purl) from product_versions v
        where v.product_key = a.product_key and v.branch = a.branch and v.operating_system_id = o.id and v.is_latest
        order by v.discovered_at desc limit 1) as version,
      json_build_object('id', o.id, 'key', o.key, 'name', o.name, 'distro', o.distro, 'version', o.version,
        'codename', o.codename) as operating_system,
      jsonb_build_object('id', b.id, 'name', b.name) || coalesce((
        select jsonb_build_object('newest', jsonb_build_object('digest', n.digest, 'pin', n.pin))
        from base_image_versions n where n.base_image_id = b.id order by n.recorded_at desc limit 1), '{}')
        as base_image,
      (select json_build_object('plan_digest', f.plan_digest) from pipelines f
        where f.id = l.retry_of_id and f.plan_digest is not null) as retried,
      (select json_build_object('release_id', r.id, 'plan_digest', r.plan_digest, 'base_digest', r.base_digest,
          'version', r.version, 'revision', r.revision, 'repo_digest', r.repo_digest)
        from releases r where r.application_id = a.id and r.pipeline_id <> l.id
        order by r.released_at desc, r.id limit 1) as previous
    from pipelines l
    join applications a on a.id = l.application_id
    join products p on p.key = a.product_key
    join base_images b on b.id = a.base_image_id
    join operating_systems o on o.id = b.operating_system_id
    where l.id = ${pipelineId}`.execute(db);
  const row = found.rows[0];
  if (!row) return undefined;
  const { version, retried, previous, triggers, product, base_image, ...inputs } = row;
  const { newest, ...image } = base_image;
  return {
    ...inputs,
    triggers: readTriggers(triggers, pipelineId),
    product: { ...product, recipe: readStoredRecipe(product.recipe, product.key) },
    base_image: { ...image, ...(newest && { newest: { ...newest, pin: readBasePin(newest.pin, image.id) } }) },
    ...(await findCustomizationStack(db, pipelineId)),
    ...(version && { version }),
    ...(retried && { retried }),
    ...(previous && { previous }),
  };
}

/** Returns the application's newest release that another pipeline made, or undefined if there is none. */
export async function findPreviousRelease(
  db: Database,
  state: { id: string; application_id: string },
): Promise<{ plan_digest: Digest; artifact_version: string } | undefined> {
  return await db
    .selectFrom('releases')
    .select(['plan_digest', 'artifact_version'])
    .where('application_id', '=', state.application_id)
    .where('pipeline_id', '<>', state.id)
    .orderBy('released_at', 'desc')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
}

/** A registry with its address and the credentials for pushes. The secret is sealed for the row of the registry. */
export type DistributionRegistry = {
  id: string;
  organization_id: string;
  name: string;
  /** The address below which the pipeline's application is released. */
  url: string;
  hosted: boolean;
  provider: RegistryProvider;
  access_key: string | null;
  sealed_access_secret: Buffer | null;
  capabilities: RegistryCapabilities | null;
};

const readCapabilities = storedValue('capabilities of registry', RegistryCapabilities);

/**
 * Returns the registries to which a pipeline pushes, in the order of the application's registries. Throws StoredValueError if
 * stored capabilities are invalid.
 */
export async function findDistributionRegistries(db: Database, pipelineId: string): Promise<DistributionRegistry[]> {
  const rows = await db
    .selectFrom('pipelines as l')
    .innerJoin('applications as a', 'a.id', 'l.application_id')
    .innerJoin('application_registries as ar', 'ar.application_id', 'a.id')
    .innerJoin('registries as g', 'g.id', 'ar.registry_id')
    .select([
      'g.id',
      'g.organization_id',
      'g.name',
      releaseAddress.as('url'),
      'g.hosted',
      'g.provider',
      'g.access_key',
      'g.sealed_access_secret',
      'g.capabilities',
    ])
    .where('l.id', '=', pipelineId)
    .orderBy('ar.position')
    .execute();
  return rows.map((row) => ({
    ...row,
    capabilities: row.capabilities === null ? null : readCapabilities(row.capabilities, row.id),
  }));
}
