// The plan of a Helm chart: its files and, for each registry, the images that its values name, all pinned by digest.
import { type Static, Type } from 'typebox';
import { Digest, Platform } from './descriptor.ts';
import { PlannedProduct, ProductTest } from './image-plan.ts';
import { BasePin, CustomizationPin, PackagePin } from './pin.ts';

/** A file of a chart's source. */
export const ChartFile = Type.Object({
  /** From the folder of the chart: `templates/services.yaml`, `charts/common/Chart.yaml`. */
  path: Type.String(),
  digest: Digest,
  /** Bytes. */
  size: Type.Integer({ minimum: 0 }),
});
export type ChartFile = Static<typeof ChartFile>;

/** The keys that lead to a mapping with `registry`, `repository`, `tag` and `digest` in values.yaml: `['metrics', 'image']`. */
export const ValuesPath = Type.Array(Type.String(), { minItems: 1 });

/** An image of a chart in one registry. */
const ChartImage = Type.Object({
  /** The key of its product. */
  product: Type.String(),
  place: ValuesPath,
  /** The path in the registry, without its host. */
  repository: Type.String(),
  /** The tag that always points to this image. */
  tag: Type.String(),
  /** What the tag points to: the manifest or index. */
  digest: Digest,
  platforms: Type.Array(Type.Object({ platform: Platform, digest: Digest })),
});
export type ChartImage = Static<typeof ChartImage>;

const ChartRegistry = Type.Object({
  /** The host of references, with the port if it has one. */
  host: Type.String(),
  images: Type.Array(ChartImage, { minItems: 1 }),
});
export type ChartRegistry = Static<typeof ChartRegistry>;

export const ChartPlan = Type.Object({
  format: Type.Literal(1),
  packaging_type: Type.Literal('HELM_CHART'),
  /** That of the chart's main image, with its version. */
  product: PlannedProduct,
  operating_system: Type.String(),
  /** The base image of the chart's main image. */
  base: BasePin,
  /** Empty: the packages are those of the images. */
  packages: Type.Array(PackagePin, { maxItems: 0 }),
  /** The customizations in the chart's images, without their packages. */
  customizations: Type.Array(CustomizationPin),
  tests: Type.Array(ProductTest),
  chart: Type.Object({
    name: Type.String(),
    /** The author's part of the version: `1.0`. The patch is reserved for each build and is not a part of the plan. */
    series: Type.String(),
    files: Type.Array(ChartFile, { minItems: 1 }),
  }),
  /** By the id of the registry. A registry that lacks one of the images is absent. */
  registries: Type.Record(Type.String(), ChartRegistry, { minProperties: 1 }),
  /** The time of every file in the chart, in seconds since 1970. */
  epoch: Type.Integer(),
});
export type ChartPlan = Static<typeof ChartPlan>;
