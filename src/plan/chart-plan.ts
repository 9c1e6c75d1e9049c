// The plan of a Helm chart: the chart's files and, for each registry, the images in the chart's values. All are pinned by
// digest.
import { type Static, Type } from 'typebox';
import { Digest, Platform } from './descriptor.ts';
import { PlannedProduct, ProductTest } from './image-plan.ts';
import { BasePin, CustomizationPin, PackagePin } from './pin.ts';

/** A file of a chart's source. */
export const ChartFile = Type.Object({
  /** The path in the folder of the chart, such as `templates/services.yaml` or `charts/common/Chart.yaml`. */
  path: Type.String(),
  digest: Digest,
  /** The size in bytes. */
  size: Type.Integer({ minimum: 0 }),
});
export type ChartFile = Static<typeof ChartFile>;

/**
 * The keys in values.yaml that lead to the mapping with an image's `registry`, `repository`, `tag` and `digest`. Example:
 * `['metrics', 'image']`.
 */
export const ValuesPath = Type.Array(Type.String(), { minItems: 1 });

/** An image that the chart contains, in one registry. */
const ChartImage = Type.Object({
  /** The key of the image's product. */
  product: Type.String(),
  place: ValuesPath,
  /** The image's path in the registry, without the host. */
  repository: Type.String(),
  /** The immutable tag of the image. */
  tag: Type.String(),
  /** The digest of the manifest or index to which the tag points. */
  digest: Digest,
  platforms: Type.Array(Type.Object({ platform: Platform, digest: Digest })),
});
export type ChartImage = Static<typeof ChartImage>;

const ChartRegistry = Type.Object({
  /** The registry's host in image references, with its port if it has one. */
  host: Type.String(),
  images: Type.Array(ChartImage, { minItems: 1 }),
});
export type ChartRegistry = Static<typeof ChartRegistry>;

const ChartCustomizationPin = Type.Object({
  ...CustomizationPin.properties,
  /** True if the parts of the customization for charts are applied to this chart. */
  in_chart: Type.Optional(Type.Literal(true)),
});
export type ChartCustomizationPin = Static<typeof ChartCustomizationPin>;

export const ChartPlan = Type.Object({
  format: Type.Literal(1),
  packaging_type: Type.Literal('HELM_CHART'),
  /** The product of the chart's main image, with its version. */
  product: PlannedProduct,
  operating_system: Type.String(),
  /** The base image of the chart's main image. */
  base: BasePin,
  /** Always empty, because the packages are in the plans of the images. */
  packages: Type.Array(PackagePin, { maxItems: 0 }),
  /**
   * The customizations that the chart's images contain, and then the customizations that change the chart, in the order in
   * which they apply. Their packages are omitted, because the plans of the images contain them.
   */
  customizations: Type.Array(ChartCustomizationPin),
  tests: Type.Array(ProductTest),
  chart: Type.Object({
    name: Type.String(),
    /**
     * The part of the version that the author sets, such as `1.0`. Larder reserves the patch for each build, so the patch is
     * not in the plan.
     */
    series: Type.String(),
    files: Type.Array(ChartFile, { minItems: 1 }),
    /** Files with values with which the verification renders the chart. They are not part of it. Absent if there are none. */
    test_values: Type.Optional(Type.Array(ChartFile, { minItems: 1 })),
  }),
  /** The images, by the id of the registry. A registry that lacks an image is absent. */
  registries: Type.Record(Type.String(), ChartRegistry, { minProperties: 1 }),
  /** The time of every file in the chart, in seconds since 1970. */
  epoch: Type.Integer(),
});
export type ChartPlan = Static<typeof ChartPlan>;
