// The images of a chart in one registry, in the forms in which the chart's files name them.
import { Document } from 'yaml';
import type { LockedImage } from '../../helm/images-lock.ts';
import type { ValueEdit } from '../../helm/values-images.ts';
import type { ChartImage, ChartRegistry } from '../../plan/chart-plan.ts';

/** The key of values.yaml for the registry of all images that name no registry themselves. */
export const REGISTRY_PLACE: readonly string[] = ['global', 'imageRegistry'];

/** Returns the full reference of an image. Clients pull by the digest; the tag is only for people. */
function referenceOf(host: string, { repository, tag, digest }: ChartImage): string {
  return `${host}/${repository}:${tag}@${digest}`;
}

/** Returns each image of the chart once, even if several places in its values name the image. */
export function lockedImages({ host, images }: ChartRegistry): LockedImage[] {
  const locked = images.map((image) => ({
    name: image.product,
    image: referenceOf(host, image),
    digests: image.platforms.map(({ platform: { os, architecture, variant }, digest }) => ({
      digest,
      arch: [os, architecture, ...(variant === undefined ? [] : [variant])].join('/'),
    })),
  }));
  return [...new Map(locked.map((one) => [one.image, one])).values()];
}

/**
 * Returns the values of the chart for one registry: the host once for all images, and for each image its repository, tag and digest. The
 * `registry` of an image stays empty, because it would override the one that a user sets for all images.
 */
export function valuesOf({ host, images }: ChartRegistry): ValueEdit[] {
  const own = images.flatMap(({ place, repository, tag, digest }) =>
    Object.entries({ repository, tag, digest }).map(([key, value]) => ({ place: [...place, key], value })),
  );
  return [{ place: REGISTRY_PLACE, value: host }, ...own];
}

/** Returns values, as JSON, that set the images of the chart for one registry, whatever other values say. */
export function imageOverrides(registry: ChartRegistry): string {
  const values = new Document({});
  const unset = registry.images.map(({ place }) => ({ place: [...place, 'registry'], value: '' }));
  for (const { place, value } of [...valuesOf(registry), ...unset]) values.setIn(place, value);
  return JSON.stringify(values);
}
