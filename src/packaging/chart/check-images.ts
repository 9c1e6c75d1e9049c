// Rules for the images in a rendering: each image is known, is in the registry, is named in the chart's `annotations.images`, and has a
// fixed version.
import {
  containersOf,
  isMapping,
  listOf,
  mapOf,
  type PodTemplate,
  podTemplatesOf,
  type RenderedObject,
  textOf,
  type Violation,
  valueAt,
  violation,
} from './rendered-objects.ts';
import { type Json, parseRenderedYaml, RenderedYamlError } from './rendered-yaml.ts';

export type ImageRules = {
  /** The registry as in references of its images: host, port and perhaps a path. */
  registry: string;
  /** Full references of the images that the chart may use. */
  images: readonly string[];
  /** The references in `annotations.images` of Chart.yaml. */
  annotated: readonly string[];
  /** Images that the values name, from `givenImages`. Who installs a chart may use images of their own. */
  given: readonly string[];
};

const CHART = { kind: 'Chart.yaml', name: 'annotations.images' };

/** Reads the references in `annotations.images`. As for Artifact Hub, the annotation is a text: a list in YAML, with `name` and `image`. */
export function annotatedImages(chart: Json): { annotated: string[]; violations: Violation[] } {
  const text = valueAt(chart, 'annotations', 'images');
  if (typeof text !== 'string') return { annotated: [], violations: [] };
  const expected = 'expected a list of images, each with its name and image';
  try {
    const [list] = parseRenderedYaml(text);
    const annotated = listOf(list).flatMap((entry) => textOf(mapOf(entry)['image']) ?? []);
    if (Array.isArray(list) && annotated.length === list.length) return { annotated, violations: [] };
    return { annotated, violations: [violation(CHART, '', { reason: expected })] };
  } catch (error) {
    if (!(error instanceof RenderedYamlError)) throw error;
    return { annotated: [], violations: [violation(CHART, '', { reason: `${error.message}; ${expected}` })] };
  }
}

/**
 * Returns the images that a set of values names: each text of a key `image`, and the repository of each image that has keys of its own, with
 * its registry.
 */
export function givenImages(values: string, registry: string): string[] {
  const search = (value: Json): string[] => {
    if (Array.isArray(value)) return value.flatMap(search);
    if (!isMapping(value)) return [];
    const { image, repository, registry: own } = value;
    return [
      ...(typeof image === 'string' ? [image] : []),
      ...(typeof repository === 'string'
        ? [`${typeof own === 'string' && own !== '' ? own : registry}/${repository}`]
        : []),
      ...Object.values(value).flatMap(search),
    ];
  };
  try {
    return parseRenderedYaml(values).flatMap(search);
  } catch (error) {
    // helm reports values that it cannot read.
    if (error instanceof RenderedYamlError) return [];
    throw error;
  }
}

/** Returns the violations of these rules in the objects. */
export function checkImages(objects: readonly RenderedObject[], rules: ImageRules): Violation[] {
  return podTemplatesOf(objects).flatMap((pod) =>
    imagesOf(pod).flatMap(({ value, path }) =>
      imageFaults(value, rules).map((reason) => violation(pod.object, path, { value, reason })),
    ),
  );
}

/** Returns the images of a pod: those of its containers, and those that it mounts as volumes. */
function imagesOf(pod: PodTemplate): { value: Json | undefined; path: string }[] {
  const containers = containersOf(pod).map(({ fields, path }) => ({ value: fields['image'], path: `${path}.image` }));
  const volumes = listOf(pod.spec['volumes']).flatMap((volume, index) => {
    const image = mapOf(volume)['image'];
    if (!isMapping(image)) return [];
    return { value: image['reference'], path: `${pod.path}spec.volumes[${index}].image.reference` };
  });
  return [...containers, ...volumes];
}

function imageFaults(image: Json | undefined, { registry, images, annotated, given }: ImageRules): string[] {
  if (typeof image !== 'string' || image === '') return ['expected the reference of an image'];
  const { repository, tag, digest } = referenceParts(image);
  const isGiven = given.includes(image) || given.includes(repository);
  const isKnown = (references: readonly string[]) => references.some((reference) => isSameImage(reference, image));
  return [
    isGiven || image.startsWith(`${registry}/`) ? [] : `is not in the registry ${registry}`,
    tag === undefined && digest === undefined ? 'has neither tag nor digest' : [],
    tag === 'latest' ? 'has the tag latest; expected a version' : [],
    isGiven || isKnown(images) ? [] : 'is not among the images of this chart',
    isGiven || isKnown(annotated) ? [] : 'is not in annotations.images of Chart.yaml',
  ].flat();
}

type ReferenceParts = { repository: string; tag: string | undefined; digest: string | undefined };

function referenceParts(reference: string): ReferenceParts {
  const [name = '', digest] = reference.split('@', 2);
  const slash = name.lastIndexOf('/');
  const colon = name.indexOf(':', slash + 1);
  if (colon < 0) return { repository: name, tag: undefined, digest };
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1), digest };
}

/** Whether two references name the same image: they have a tag or a digest in common, and contradict each other in neither. */
function isSameImage(left: string, right: string): boolean {
  const [one, other] = [referenceParts(left), referenceParts(right)];
  if (one.repository !== other.repository) return false;
  const pairs = [
    [one.tag, other.tag],
    [one.digest, other.digest],
  ].filter(([a, b]) => a !== undefined && b !== undefined);
  return pairs.length > 0 && pairs.every(([a, b]) => a === b);
}
