// Checks the values, labels and annotations that a customization declares for charts.
import type { Static } from 'typebox';
import type { ChartDeclaration } from '../plan/chart-parts.ts';
import type { LineOf } from '../yaml/read-yaml.ts';
import type { FreeMap, FreeValue } from '../yaml/yaml-fields.ts';
import type { ChartDeclarationSchema } from './chart-declaration-schema.ts';
import type { Tell } from './errors.ts';
import { ANNOTATION_BYTES_MAX, ANNOTATIONS_BYTES_MAX, CHART_VALUES_BYTES_MAX } from './limits.ts';

type Context = { tell: Tell; lineOf: LineOf };

/** Returns the declaration for charts, and reports its violations. */
export function readChartDeclaration(
  { values = {}, labels = {}, annotations = {} }: Static<typeof ChartDeclarationSchema>,
  { tell, lineOf }: Context,
): ChartDeclaration {
  checkMetadata('labels', labels, { tell, lineOf });
  checkMetadata('annotations', annotations, { tell, lineOf });
  checkAnnotations(annotations, { tell, lineOf });
  if (bytesLeft(values, CHART_VALUES_BYTES_MAX) < 0) {
    tell(lineOf('chart', 'values'), `chart.values is larger than ${CHART_VALUES_BYTES_MAX} bytes`);
    return { values: {}, labels, annotations };
  }
  for (const { place, reason } of imageFaults(values, []))
    tell(lineOf('chart', 'values', ...place), `chart.values.${place.join('.')} ${reason}`);
  return { values, labels, annotations };
}

/** Takes the bytes of a value from `left` and returns the rest. Stops below 0, because aliases can repeat a long text thousands of times. */
function bytesLeft(value: FreeValue, left: number): number {
  if (typeof value !== 'object' || value === null) return left - Buffer.byteLength(String(value));
  let rest = left;
  for (const [key, inside] of Object.entries(value)) {
    if (rest < 0) return rest;
    rest = bytesLeft(inside, rest - Buffer.byteLength(key));
  }
  return rest;
}

/** Labels of the Kubernetes documentation that charts set on every object; selectors of services and workloads contain some of them. */
const OF_CHART = ['name', 'instance', 'version', 'component', 'managed-by'].map((name) => `app.kubernetes.io/${name}`);
/** Prefixes of helm: its annotations make an object a hook, keep it, or give it to another release. */
const OF_HELM = /^(?:[a-z0-9-]+\.)*helm\.sh\//;

function checkMetadata(
  section: 'labels' | 'annotations',
  named: Readonly<Record<string, string>>,
  { tell, lineOf }: Context,
): void {
  for (const name of Object.keys(named)) {
    const reason = OF_HELM.test(name)
      ? 'has a meaning for helm'
      : OF_CHART.includes(name)
        ? 'is set by charts'
        : undefined;
    if (reason !== undefined)
      tell(lineOf('chart', section, name), `chart.${section}: ${name} ${reason}, so it cannot be set`);
  }
}

function checkAnnotations(annotations: Readonly<Record<string, string>>, { tell, lineOf }: Context): void {
  let total = 0;
  for (const [name, text] of Object.entries(annotations)) {
    const bytes = Buffer.byteLength(text);
    total += bytes + Buffer.byteLength(name);
    if (bytes > ANNOTATION_BYTES_MAX)
      tell(
        lineOf('chart', 'annotations', name),
        `chart.annotations: ${name} is longer than ${ANNOTATION_BYTES_MAX} bytes`,
      );
  }
  if (total > ANNOTATIONS_BYTES_MAX)
    tell(lineOf('chart', 'annotations'), `chart.annotations is larger than ${ANNOTATIONS_BYTES_MAX} bytes`);
}

type Fault = { place: (string | number)[]; reason: string };

const STAYS = 'names an image, and the images of a chart are those of its release';
/** The keys of a mapping that together name an image. */
const IMAGE_KEYS = ['registry', 'repository', 'tag', 'digest'];

/** Finds values that would change an image: by the keys that charts give to images. The build also compares them with the chart's images. */
function imageFaults(value: FreeValue, place: (string | number)[]): Fault[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => imageFaults(item, [...place, index]));
  if (typeof value !== 'object' || value === null) return [];
  const isImage = isImageKey(place.at(-1)) || IMAGE_KEYS.filter((key) => Object.hasOwn(value, key)).length > 1;
  return Object.entries(value).flatMap(([key, inside]) => {
    const at = [...place, key];
    if (isImage && IMAGE_KEYS.includes(key)) return [{ place: at, reason: STAYS }];
    if (/^(?:image)?registry$/i.test(key) && place[0] === 'global') return [{ place: at, reason: STAYS }];
    if (isImageKey(key) && !isMapping(inside) && !isTemplate(inside)) return [{ place: at, reason: STAYS }];
    return imageFaults(inside, at);
  });
}

function isImageKey(key: string | number | undefined): boolean {
  return typeof key === 'string' && /image$/i.test(key);
}

function isMapping(value: FreeValue): value is FreeMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is a template from its first character on. Its result is checked when the chart is rendered. */
function isTemplate(value: FreeValue): boolean {
  return typeof value === 'string' && /^\s*\{\{/.test(value);
}
