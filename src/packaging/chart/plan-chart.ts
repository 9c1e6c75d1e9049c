// Pins every input of a Helm chart: its files, and in each registry the images that it names.
import type { ChartCustomizationPin, ChartImage, ChartPlan, ChartRegistry } from '../../plan/chart-plan.ts';
import type { CustomizationPin } from '../../plan/pin.ts';
import type { RecipeChart } from '../../plan/recipe.ts';
import type { NeededRelease, PlanInputs } from '../packaging.ts';
import { PlanRejected } from '../plan-rejected.ts';

/**
 * Returns the plan of a chart. With a kept plan, the files of its chart stay, but the images are always those of the newest releases. A
 * registry that lacks one of the images is left out.
 */
export async function planChart(inputs: PlanInputs<ChartPlan>): Promise<ChartPlan> {
  const { recipe, kept, needs } = inputs;
  const source = kept ? sourceOf(kept) : recipe.chart;
  if (source === undefined) throw rejected(`The product library no longer has a chart of ${recipe.name}.`);
  const registries = Object.fromEntries(
    [...Map.groupBy(needs, (release) => release.registry_id)].flatMap(([id, releases]) => {
      const registry = planRegistry(source, releases);
      return registry === undefined ? [] : [[id, registry]];
    }),
  );
  const main = needs.find(({ product_key, registry_id }) => product_key === recipe.key && registry_id in registries);
  if (main === undefined) throw rejected(sentenceOfMissing(source, needs));
  const { product, operating_system, base } = main.plan;
  return {
    format: 1,
    packaging_type: 'HELM_CHART',
    ...{ product, operating_system, base },
    packages: [],
    customizations: customizationsOf([main, ...needs], inputs),
    tests: [],
    chart: {
      ...{ name: source.name, series: source.series, files: source.files },
      ...(source.test_values && { test_values: source.test_values }),
    },
    registries,
    epoch: Math.floor(Date.parse(base.created_at) / 1000),
  };
}

/**
 * Returns the chart of a kept plan as in a recipe. The places of its images are the same in each registry, so the first registry is used.
 */
function sourceOf({ chart, registries }: ChartPlan): RecipeChart {
  const [registry] = Object.values(registries);
  const images = (registry?.images ?? []).map(({ place, product }) => ({ place, product }));
  return { ...chart, images };
}

function planRegistry({ images }: RecipeChart, releases: NeededRelease[]): ChartRegistry | undefined {
  const pinned = images.flatMap(({ place, product }) => {
    const release = releases.find(({ product_key }) => product_key === product);
    return release === undefined ? [] : [pinImage(place, release)];
  });
  const [first] = releases;
  if (first === undefined || pinned.length < images.length) return undefined;
  return { host: first.host, images: pinned };
}

function pinImage(place: string[], { product_key, repository, tag, root }: NeededRelease): ChartImage {
  return {
    product: product_key,
    ...{ place, repository, tag },
    digest: root.descriptor.digest,
    platforms: root.parts.flatMap(({ platform, manifest }) =>
      platform === undefined ? [] : [{ platform, digest: manifest.digest }],
    ),
  };
}

/**
 * Returns the customizations of a chart, each once: those that its images contain, then its own. They have no packages, because the packages are
 * in the images. A version that broke the chart is left out, also if an image contains it: the chart is without a part of it.
 */
function customizationsOf(
  releases: NeededRelease[],
  { customizations, left_out }: Pick<PlanInputs<ChartPlan>, 'customizations' | 'left_out'>,
): ChartCustomizationPin[] {
  const own = customizations.map(({ id, version, digest, epoch }) => ({ id, version, digest, epoch }));
  const pins = new Map<string, ChartCustomizationPin>();
  const isOut = ({ id, version }: CustomizationPin) =>
    own.some((one) => one.id === id) || left_out.some((one) => one.id === id && one.version === version);
  for (const pin of releases.flatMap(({ plan }) => plan.customizations)) {
    if (!pins.has(pin.id) && !isOut(pin)) pins.set(pin.id, { ...pin, packages: [] });
  }
  return [...pins.values(), ...own.map((one) => ({ ...one, packages: [], in_chart: true as const }))];
}

function sentenceOfMissing({ name, images }: RecipeChart, needs: NeededRelease[]): string {
  const released = new Set(needs.map(({ product_key }) => product_key));
  const missing = [...new Set(images.map(({ product }) => product))].filter((product) => !released.has(product));
  const what = missing.length === 0 ? 'all of its images' : `an image of ${missing.join(', ')}`;
  return `The chart ${name} needs releases of its images, and none of its registries has ${what}.`;
}

function rejected(message: string): PlanRejected {
  return new PlanRejected(message, { cause_kind: 'BUILD_ERROR' });
}
