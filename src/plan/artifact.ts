// Artifact: the result of a build, as descriptors of its contents. docs/decisions/0027 explains its structure.
import { type Static, Type } from 'typebox';
import { Word } from '../contract/field.ts';
import { type Digest as ContentDigest, PACKAGING_TYPES } from '../contract/vocabulary.ts';
import { Descriptor, Digest, Platform } from './descriptor.ts';
import { MetadataFiles } from './metadata-file.ts';
import { storedValue } from './stored-value.ts';

/** One manifest below a root, and its blobs. It is an image for one platform, a chart, or a disk. */
const Part = Type.Object({
  /** The platform. Absent for artifacts that run on any platform, such as a chart. */
  platform: Type.Optional(Platform),
  /** The manifest. If the root is not an index, this is the root itself. */
  manifest: Descriptor,
  /** The blobs of the manifest: its config, and then its layers in the manifest's order. */
  blobs: Type.Array(Descriptor),
});

/** The manifest or index to which a tag points, with all manifests and blobs below it. */
const Root = Type.Object({
  /** An index or a manifest. */
  descriptor: Descriptor,
  /**
   * The `content_digest` of the API: the config of the first platform's image, the archive of the chart, or the disk file of
   * the appliance.
   */
  content: Descriptor,
  parts: Type.Array(Part, { minItems: 1 }),
});
export type Root = Static<typeof Root>;

/**
 * Either one root for all registries, or one root for each registry, by the registry's id. Several roots are needed if a root
 * contains the address of the registry from which it is pulled.
 */
const Roots = Type.Union([
  Type.Object({ all: Root }),
  Type.Object({ by_registry: Type.Record(Type.String(), Root, { minProperties: 1 }) }),
]);

/** A content from which the components of the artifact are read. Absent if the plan already lists the components. */
const ComponentSource = Type.Object({
  /** DPKG_STATUS means the file `/var/lib/dpkg/status` of the built file system. */
  format: Type.Literal('DPKG_STATUS'),
  digest: Digest,
});

export const Artifact = Type.Object({
  format: Type.Literal(1),
  packaging_type: Word(PACKAGING_TYPES, 'What it is.'),
  roots: Roots,
  component_sources: Type.Array(ComponentSource),
  /**
   * The reports of the build: the log of the worker, and the reports that the packaging wrote. Reports of later phases are
   * not here.
   */
  reports: MetadataFiles,
});
export type Artifact = Static<typeof Artifact>;

/** Reads the artifact in a row. `id` names the row in errors. */
export const readStoredArtifact = storedValue('artifact', Artifact);

/** Returns the root for a registry. Throws if the artifact has none for this registry. */
export function rootFor({ roots }: Pick<Artifact, 'roots'>, registryId: string): Root {
  const root = 'all' in roots ? roots.all : roots.by_registry[registryId];
  if (root === undefined) throw new Error(`The artifact has no root for the registry ${registryId}`);
  return root;
}

/** Whether the artifact has a root for this registry. */
export function hasRoot({ roots }: Pick<Artifact, 'roots'>, registryId: string): boolean {
  return 'all' in roots || Object.hasOwn(roots.by_registry, registryId);
}

/** Returns the root that all registries share. Throws if each registry has its own root. */
export function soleRoot({ roots }: Pick<Artifact, 'roots'>): Root {
  if ('all' in roots) return roots.all;
  throw new Error('The artifact has a root for each registry');
}

/** Returns all roots of the artifact. */
export function listRoots({ roots }: Pick<Artifact, 'roots'>): Root[] {
  return 'all' in roots ? [roots.all] : Object.values(roots.by_registry);
}

/** Returns the digests of all blobs below a root. Another repository of the registry may already have some of them. */
export function blobsOf({ parts }: Root): ContentDigest[] {
  return parts.flatMap(({ blobs }) => blobs.map(({ digest }) => digest));
}

/**
 * Returns all contents of the artifact, including reports. They must be kept so that the artifact can be distributed again.
 */
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
