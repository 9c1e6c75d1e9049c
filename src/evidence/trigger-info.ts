// The reason for a release and its changes since the previous release: the `trigger_info` document, result.json.
import type { CustomizationWarning } from '../contract/customization-warning.ts';
import type { Digest, PipelineTrigger } from '../contract/vocabulary.ts';

/** The parts of a plan that are compared with another plan. Every Plan has them. */
export type PlanFacts = {
  product: { key: string; name: string; branch: string; version: string };
  operating_system: string;
  base: { name: string; digest: Digest };
  packages: { name: string; version: string }[];
  customizations: { id: string; version: number }[];
  /** The images that the artifact names in each registry. Absent for artifacts that name no images. */
  registries?: Record<string, { images: { product: string; tag: string }[] }>;
};

type Move = { from: string; to: string };

export type TriggerInfo = {
  format: 1;
  product: { key: string; branch: string; version: string };
  operating_system: string;
  /** The immutable tag of the release. Absent until the release has one. */
  release?: string;
  triggers: PipelineTrigger[];
  /** The time of the trigger in RFC 3339. */
  triggered_at: string;
  pipeline_id: string;
  /** The previous release. Absent for the first release of an application. */
  previous?: { release?: string; version: string };
  changes: {
    version?: Move;
    base_image?: { name: string } & Move;
    packages: {
      added: { name: string; version: string }[];
      removed: { name: string; version: string }[];
      changed: ({ name: string } & Move)[];
    };
    customizations: {
      added: { id: string; version: number }[];
      removed: { id: string; version: number }[];
      changed: { id: string; from: number; to: number }[];
    };
    /** The images that the artifact names. Absent for artifacts that name no images. */
    images?: {
      added: { name: string; version: string }[];
      removed: { name: string; version: string }[];
      changed: ({ name: string } & Move)[];
    };
    /** True if another part of the plan changed: the recipe, one of its files, or one of its settings. */
    recipe: boolean;
  };
  /** The triggers, the changes and the moves, each as a sentence. */
  reasons: string[];
  /** Parts of the customizations that are accepted but may be mistakes. */
  warnings: ({ customization_id: string; customization_version: number } & CustomizationWarning)[];
  /** How many warnings are omitted. */
  more_warnings_count: number;
};

/** The results of the inspection of a customization. */
export type InspectionWarnings = { warnings: readonly CustomizationWarning[]; more_warnings_count: number };

export type CustomizationFacts = {
  /** Names of the customizations of both plans, by id. A customization without a name is absent. */
  customization_names: ReadonlyMap<string, string>;
  /** Warnings of the plan's customizations, by id. */
  customization_warnings: ReadonlyMap<string, InspectionWarnings>;
};

export type TriggerFacts = CustomizationFacts & {
  pipeline_id: string;
  triggers: PipelineTrigger[];
  /** The time at which the pipeline was created, RFC 3339. */
  triggered_at: string;
  plan: PlanFacts;
  release?: string;
  /** The plan and the tag of the application's previous release. */
  previous?: { plan: PlanFacts; release?: string };
  /** Repositories to which the application does not release any more, each with its new repository. */
  moves?: Move[];
  /** Pipelines of needed applications that did not succeed. This release uses earlier releases of these applications. */
  failed_needs?: { product_key: string; branch: string; pipeline_id: string; status: string }[];
};

/** Returns the document of one pipeline. The same facts give the same document. */
export function triggerInfo(facts: TriggerFacts): TriggerInfo {
  const { plan, previous } = facts;
  const changes = changesOf(plan, previous?.plan);
  return {
    format: 1,
    product: { key: plan.product.key, branch: plan.product.branch, version: plan.product.version },
    operating_system: plan.operating_system,
    ...(facts.release ? { release: facts.release } : {}),
    triggers: facts.triggers,
    triggered_at: facts.triggered_at,
    pipeline_id: facts.pipeline_id,
    ...(previous
      ? {
          previous: {
            ...(previous.release ? { release: previous.release } : {}),
            version: previous.plan.product.version,
          },
        }
      : {}),
    changes,
    reasons: reasonsOf(facts, changes),
    ...warningsOf(facts),
  };
}

function warningsOf({
  plan,
  customization_warnings: warnings,
}: TriggerFacts): Pick<TriggerInfo, 'warnings' | 'more_warnings_count'> {
  const found = plan.customizations.map((one) => ({ ...one, ...(warnings.get(one.id) ?? NO_WARNINGS) }));
  return {
    warnings: found.flatMap(({ id, version, warnings: own }) =>
      own.map((warning) => ({ customization_id: id, customization_version: version, ...warning })),
    ),
    more_warnings_count: found.reduce((sum, one) => sum + one.more_warnings_count, 0),
  };
}

const NO_WARNINGS: InspectionWarnings = { warnings: [], more_warnings_count: 0 };

type Changes = TriggerInfo['changes'];

const NO_IMAGES: NonNullable<Changes['images']> = { added: [], removed: [], changed: [] };

function changesOf(plan: PlanFacts, previous: PlanFacts | undefined): Changes {
  const before = previous ?? { ...plan, packages: [], customizations: [] };
  return {
    ...(before.product.version === plan.product.version
      ? {}
      : { version: { from: before.product.version, to: plan.product.version } }),
    ...(before.base.digest === plan.base.digest
      ? {}
      : { base_image: { name: plan.base.name, from: before.base.digest, to: plan.base.digest } }),
    packages: compareBy(before.packages, plan.packages, 'name'),
    customizations: compareBy(before.customizations, plan.customizations, 'id'),
    ...(plan.registries && { images: compareBy(previous ? imagesOf(previous) : [], imagesOf(plan), 'name') }),
    recipe: previous !== undefined && restOf(previous) !== restOf(plan),
  };
}

/**
 * Returns the images of all registries, one for each product, because the registries of a release seldom have different
 * images.
 */
function imagesOf({ registries = {} }: PlanFacts): { name: string; version: string }[] {
  const images = Object.values(registries).flatMap((registry) => registry.images);
  return [...new Map(images.map(({ product: name, tag: version }) => [name, { name, version }])).values()];
}

function compareBy<K extends 'name' | 'id', T extends { [key in K]: string } & { version: string | number }>(
  before: T[],
  after: T[],
  key: K,
) {
  const pick = (one: T) =>
    ({ [key]: one[key], version: one.version }) as { [key in K]: string } & { version: T['version'] };
  const old = new Map<string, T>(before.map((one) => [one[key], one]));
  const current = new Set<string>(after.map((one) => one[key]));
  return {
    added: after.filter((one) => !old.has(one[key])).map(pick),
    removed: before.filter((one) => !current.has(one[key])).map(pick),
    changed: after.flatMap((one) => {
      const was = old.get(one[key]);
      if (!was || was.version === one.version) return [];
      return [
        { [key]: one[key], from: was.version, to: one.version } as { [key in K]: string } & {
          from: T['version'];
          to: T['version'];
        },
      ];
    }),
  };
}

/** Returns, as text, the parts of a plan that are not compared one by one. */
function restOf(plan: PlanFacts): string {
  const { base: _, packages: _packages, customizations: _customizations, registries: _registries, ...others } = plan;
  const { product, ...rest } = others;
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value;
  // Omits `epoch`, because it changes with the base image and the packages, which are already compared.
  return JSON.stringify({ ...rest, product: { ...product, version: '' }, epoch: 0 }, sorted);
}

function reasonsOf(
  { plan, triggers, previous, moves = [], failed_needs = [], customization_names: names }: TriggerFacts,
  changes: Changes,
): string[] {
  const { name, version } = plan.product;
  const { packages, customizations, images = NO_IMAGES } = changes;
  const title = (id: string) => `Customization ${names.get(id) ?? id}`;
  return [
    ...triggers.map(sentenceOf),
    ...(previous ? [] : [`First release of ${name} ${version} on ${plan.operating_system}.`]),
    ...(changes.version ? [`${name} changed from ${changes.version.from} to ${changes.version.to}.`] : []),
    ...(changes.base_image ? [`The base image ${changes.base_image.name} changed.`] : []),
    ...packages.changed.map((one) => `Package ${one.name} changed from ${one.from} to ${one.to}.`),
    ...(previous ? packages.added.map((one) => `Package ${one.name} ${one.version} was added.`) : []),
    ...packages.removed.map((one) => `Package ${one.name} ${one.version} was removed.`),
    ...images.changed.map((one) => `The image of ${one.name} changed from ${one.from} to ${one.to}.`),
    ...images.added.map((one) => `The image of ${one.name} ${one.version} was added.`),
    ...images.removed.map((one) => `The image of ${one.name} ${one.version} was removed.`),
    ...failed_needs.map(
      (one) =>
        `The pipeline ${one.pipeline_id} of ${one.product_key} ${one.branch} is ${one.status}: the latest release of it is used.`,
    ),
    ...customizations.added.map((one) => `${title(one.id)} was applied in version ${one.version}.`),
    ...customizations.changed.map((one) => `${title(one.id)} changed from version ${one.from} to ${one.to}.`),
    ...customizations.removed.map((one) => `${title(one.id)} was removed.`),
    ...(changes.recipe ? [`The recipe of ${name} changed.`] : []),
    ...moves.map(
      ({ from, to }) =>
        `The application moved from the repository ${from} to ${to}: another base image is released to the former.`,
    ),
  ];
}

function sentenceOf({ type, context }: PipelineTrigger): string {
  const sentences = {
    CVE_PATCH: 'A known vulnerability is fixed',
    UPSTREAM_UPDATE: 'Upstream published a new version',
    MANUAL_RUN: 'A user requested the run',
    MAINTENANCE: 'An input of the build changed',
  };
  return `${sentences[type]}${context ? `: ${context}` : ''}.`;
}
