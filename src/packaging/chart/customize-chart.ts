// Applies the chart parts of customizations to the files of a chart: values, templates, labels and annotations.
import type { Inspection } from '../../customization/inspection.ts';
import { customizationTitle } from '../../customization/title.ts';
import type { ChartFiles } from '../../helm/chart-archive.ts';
import { ChartError } from '../../helm/chart-error.ts';
import { labelObjects } from '../../helm/label-objects.ts';
import { mergeValues } from '../../helm/merge-values.ts';
import { definitionsOf } from '../../helm/template-definitions.ts';
import type { ChartPlan } from '../../plan/chart-plan.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import type { BuildTools } from '../packaging.ts';
import { REGISTRY_PLACE } from './chart-images.ts';

type ChartParts = NonNullable<Inspection['chart']>;

/** A customization that changes the chart. */
type Applied = { id: string; version: number; title: string; parts: ChartParts };

const VALUES = 'values.yaml';
const TEMPLATES = 'templates/';

/**
 * Returns the files of a chart with its customizations, which are applied in the order of the plan: of two that set the same value, label or
 * template, the later one wins. The same plan gives the same files. Throws BuildError CUSTOMIZATION_BUILD_ERROR that names the customization.
 */
export function customizeChart(
  plan: ChartPlan,
  sources: ChartFiles,
  { inspections, names, log }: Pick<BuildTools, 'inspections' | 'names'> & { log: BuildLog },
): ChartFiles {
  const applied = listApplied(plan, { inspections, names });
  const own = { own: sources, definedIn: definitionsIn(sources) };
  let files = sources;
  const labels: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  for (const one of applied) {
    log.say(`${one.title}: ${summaryOf(one.parts)}`);
    files = blaming(one, () => {
      checkImages(one.parts, plan);
      const added = withTemplates(withValues(files, one, log), one.parts, own);
      checkDefinedOnce(new Map([...added].filter(([path]) => !sources.has(path))));
      return added;
    });
    Object.assign(labels, one.parts.labels);
    Object.assign(annotations, one.parts.annotations);
  }
  return blaming(undefined, () => labelObjects(files, { labels, annotations }));
}

function listApplied(
  { customizations }: ChartPlan,
  { inspections, names }: Pick<BuildTools, 'inspections' | 'names'>,
): Applied[] {
  return customizations
    .filter(({ in_chart }) => in_chart)
    .map(({ id, version, digest }) => {
      const parts = inspections.get(digest)?.chart;
      if (parts === undefined) throw new Error(`The inspection of the archive ${digest} has no parts for charts`);
      return { id, version, title: customizationTitle({ id, version }, names.get(id)), parts };
    });
}

function summaryOf({ values, labels, annotations, templates }: ChartParts): string {
  const names = (title: string, keys: string[]) => (keys.length === 0 ? [] : [`${title} ${keys.join(', ')}`]);
  return [
    ...names('values', Object.keys(values)),
    ...names('labels', Object.keys(labels)),
    ...names('annotations', Object.keys(annotations)),
    ...names(
      'templates',
      templates.map(({ path }) => path),
    ),
  ].join('; ');
}

/** Converts the errors of a customization's parts to a BuildError that names it. Without a customization, the chart is the cause. */
function blaming<T>(one: Applied | undefined, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof ChartError)) throw cause;
    if (one === undefined) throw new BuildError(cause.message, { step: 'chart', cause_kind: 'BUILD_ERROR', cause });
    const { id, version, title } = one;
    const cause_kind = 'CUSTOMIZATION_BUILD_ERROR';
    throw new BuildError(cause.message, { step: title, cause_kind, customization: { id, version }, cause });
  }
}

/** The keys of an image that a release writes. Others, such as `pullPolicy`, may be set. */
const WRITTEN_KEYS = ['registry', 'repository', 'tag', 'digest'];

/** Throws ChartError if a value would change an image of the chart, or take away the mapping that names it. */
function checkImages({ values }: ChartParts, { registries }: ChartPlan): void {
  if (valueAt(values, REGISTRY_PLACE) !== undefined) throw imageError(REGISTRY_PLACE);
  for (const { place } of Object.values(registries).flatMap(({ images }) => images)) {
    const image = valueAt(values, place);
    if (image !== undefined && (!isMapping(image) || WRITTEN_KEYS.some((key) => Object.hasOwn(image, key))))
      throw imageError(place);
  }
}

function imageError(place: readonly string[]): ChartError {
  return new ChartError(
    `chart.values.${place.join('.')}`,
    'changes an image, and the images of a chart are those of its release',
  );
}

/** Returns the value at a place; undefined if no value of the place is given; null if something other than a mapping is above it. */
function valueAt(values: unknown, place: readonly string[]): unknown {
  let value = values;
  for (const key of place) {
    if (!isMapping(value)) return null;
    if (!Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withValues(files: ChartFiles, { parts: { values }, title }: Applied, log: BuildLog): ChartFiles {
  if (Object.keys(values).length === 0) return files;
  const bytes = files.get(VALUES);
  if (bytes === undefined) throw new ChartError(VALUES, 'is missing');
  const { text, added } = mergeValues(Buffer.from(bytes).toString('utf8'), values);
  for (const key of added) log.say(`${title}: ${key} is not a value of this chart`);
  return new Map([...files, [VALUES, Buffer.from(text)]]);
}

type Own = { own: ChartFiles; definedIn: ReadonlyMap<string, string> };

/** Adds templates. Those of earlier customizations may be replaced, those of the chart may not. */
function withTemplates(files: ChartFiles, { templates }: ChartParts, { own, definedIn }: Own): ChartFiles {
  for (const { path, defines } of templates) {
    const file = TEMPLATES + path;
    if (own.has(file))
      throw new ChartError(`chart/${file}`, 'has the name of a template of the chart; give it another name');
    const taken = defines.find((name) => definedIn.has(name));
    if (taken !== undefined)
      throw new ChartError(
        `chart/${file}`,
        `defines ${taken}, which ${definedIn.get(taken)} of the chart defines; give it another name`,
      );
  }
  return new Map([...files, ...templates.map(({ path, text }) => [TEMPLATES + path, Buffer.from(text)] as const)]);
}

/** Returns the names that the templates of the chart, and of the charts inside it, define, each with its file. */
function definitionsIn(files: ChartFiles): Map<string, string> {
  const found = new Map<string, string>();
  for (const [path, bytes] of files) {
    if (!/(?:^|\/)templates\//.test(path)) continue;
    for (const name of definitionsOf(Buffer.from(bytes).toString('utf8'))) found.set(name, path);
  }
  return found;
}

/** Throws ChartError if two customizations define one name in different files: which one helm takes would depend on the names of the files. */
function checkDefinedOnce(files: ChartFiles): void {
  const definedIn = new Map<string, string>();
  for (const [path, bytes] of files) {
    for (const name of definitionsOf(Buffer.from(bytes).toString('utf8'))) {
      const first = definedIn.get(name);
      if (first !== undefined && first !== path)
        throw new ChartError(
          `chart/${path}`,
          `defines ${name}, which chart/${first} of another customization defines too`,
        );
      definedIn.set(name, path);
    }
  }
}
