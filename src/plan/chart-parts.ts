// The parts of a customization that change charts, and the kinds of parts that each packaging type gets.
import { type Static, Type } from 'typebox';
import type { PackagingType } from '../contract/vocabulary.ts';

const Texts = Type.Record(Type.String(), Type.String());

/** The values, labels and annotations that a customization declares for charts. */
const ChartDeclaration = Type.Object({
  /** Values that are merged into values.yaml. */
  values: Type.Unsafe<{ [key: string]: JsonValue }>(Type.Record(Type.String(), Type.Unknown())),
  /** Labels that are added to every object of the chart. */
  labels: Texts,
  annotations: Texts,
});
export type ChartDeclaration = Static<typeof ChartDeclaration>;

type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** A template that a customization adds to charts. */
const ChartTemplate = Type.Object({
  /** The path in the chart's folder `templates`. */
  path: Type.String(),
  text: Type.String(),
  /** The names of the templates that this file defines. */
  defines: Type.Array(Type.String()),
});
export type ChartTemplate = Static<typeof ChartTemplate>;

export const ChartParts = Type.Object({ ...ChartDeclaration.properties, templates: Type.Array(ChartTemplate) });
export type ChartParts = Static<typeof ChartParts>;

/**
 * The kinds of parts that a customization may have. IMAGE: files, packages and settings of images. CHART: changes of charts.
 */
export const PART_KINDS = ['IMAGE', 'CHART'] as const;
export type PartKind = (typeof PART_KINDS)[number];

const KIND_OF = { CONTAINER_IMAGE: 'IMAGE', HELM_CHART: 'CHART', OVA: 'IMAGE' } as const satisfies Record<
  PackagingType,
  PartKind
>;

/** Returns the kind of parts that artifacts of this type get. */
export function partKindOf(type: PackagingType): PartKind {
  return KIND_OF[type];
}

/** Returns the packaging types whose artifacts get one of these kinds of parts. */
export function packagingTypesOf(kinds: readonly PartKind[]): PackagingType[] {
  return (Object.keys(KIND_OF) as PackagingType[]).filter((type) => kinds.includes(KIND_OF[type]));
}
