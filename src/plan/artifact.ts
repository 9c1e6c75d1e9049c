// Artifact: the result of a build, as descriptors of content. docs/decisions/0027 explains its shape.
import { type Static, Type } from 'typebox';
import { Word } from '../contract/field.ts';
import { type Digest as ContentDigest, PACKAGING_TYPES } from '../contract/vocabulary.ts';
import { Descriptor, Digest, Platform } from './descriptor.ts';
import { MetadataFiles } from './metadata-file.ts';
import { storedValue } from './stored-value.ts';

/** One manifest under a root, with the blobs it names: an image of one platform, a chart, a disk. */
const Part = Type.Object({
  /** Absent for artifacts that run on any platform, such as a chart. */
  platform: Type.Optional(Platform),
  /** The root itself if the root is not an index. */
  manifest: Descriptor,
  /** The config first, then the layers in the manifest's order. */
  blobs: Type.Array(Descriptor),
});

/** The manifest or index that a tag names, with everything below it. */
const Root = Type.Object({
  /** An index or a manifest. */
  descriptor: Descriptor,
  /** The API's `content_digest`: the image config of the first platform, the chart's archive, the appliance's disk file. */
  content: Descriptor,
  parts: Type.Array(Part, { minItems: 1 }),
});
export type Root = Static<typeof Root>;

/** One root for all registries; or one for each registry, by its id, if the root names the registry that it is pulled from. */
const Roots = Type.Union([
  Type.Object({ all: Root }),
  Type.Object({ by_registry: Type.Record(Type.String(), Root, { minProperties: 1 }) }),
]);

/** A content from which the components of the artifact are read. A packaging whose components are in its plan has none. */
const ComponentSource = Type.Object({
  /** DPKG_STATUS: `/var/lib/dpkg/status` of the finished file system. */
  format: Type.Literal('DPKG_STATUS'),
  digest: Digest,
});

export const Artifact = Type.Object({
  format: Type.Literal(1),
  packaging_type: Word(PACKAGING_TYPES, 'What it is.'),
  roots: Roots,
  component_sources: Type.Array(ComponentSource),
  /** Reports of the build, without the reports of later phases: the worker's log and the reports that the packaging wrote. */
  reports: MetadataFiles,
});
export type Artifact = Static<typeof Artifact>;

/** Reads the artifact of a row; `id` names the row. */
export const readStoredArtifact = storedValue('artifact', Artifact);

/** Returns the root for a registry. Throws if the artifact was not built for it. */
export function rootFor({ roots }: Pick<Artifact, 'roots'>, registryId: string): Root {
  const root = 'all' in roots ? roots.all : roots.by_registry[registryId];
  if (root === undefined) throw new Error(`The artifact has no root for the registry ${registryId}`);
  return root;
}

/** Whether the artifact was built for a registry. */
export function hasRoot({ roots }: Pick<Artifact, 'roots'>, registryId: string): boolean {
  return 'all' in roots || Object.hasOwn(roots.by_registry, registryId);
}

/** Returns the root for all registries. Throws if the artifact has a root for each. */
export function soleRoot({ roots }: Pick<Artifact, 'roots'>): Root {
  if ('all' in roots) return roots.all;
  throw new Error('The artifact has a root for each registry');
}

/** Returns every root once. */
export function listRoots({ roots }: Pick<Artifact, 'roots'>): Root[] {
  return 'all' in roots ? [roots.all] : Object.values(roots.by_registry);
}

/** Returns the digests of a root's blobs, which a registry may have in another repository. */
export function blobsOf({ parts }: Root): ContentDigest[] {
  return parts.flatMap(({ blobs }) => blobs.map(({ digest }) => digest));
}

/** Returns every content of the artifact, with its reports: all that must be kept to distribute it again. */
export function contentsOfArtifact(artifact: Artifact): ContentDigest[] {
  const roots = listRoots(artifact).flatMap((root) => [
    root.descriptor.digest,
    root.content.digest,
    ...root.parts.map(({ manifest }) => manifest.digest),
    ...blobsOf(root),
  ]);
  const sources = artifact.component_sources.map(({ digest }) => digest);
  const reports = artifact.reports.map(({ digest }) => digest);
  return [...new Set([...roots, ...sources, ...reports])];
}
