// Writes Images.lock, which lists the images of a chart with the digest for each platform. Tools that relocate charts read
// this file.
import { stringify } from 'yaml';

export type LockedImage = {
  name: string;
  /** The full reference of the image. */
  image: string;
  digests: readonly { digest: string /** `linux/amd64` */; arch: string }[];
};

export type ImagesLock = {
  chart: { name: string; version: string; appVersion: string };
  images: readonly LockedImage[];
  /** The time in RFC 3339. */
  generated_at: string;
};

/** Returns the text of the file. The same chart always gives the same text. */
export function formatImagesLock({ chart, images, generated_at }: ImagesLock): string {
  const lock = {
    apiVersion: 'v0',
    kind: 'ImagesLock',
    metadata: { generatedAt: generated_at, generatedBy: 'Larder' },
    chart,
    images: images.map(({ name, image, digests }) => ({ name, image, chart: chart.name, digests })),
  };
  return stringify(lock, { lineWidth: 0 });
}
