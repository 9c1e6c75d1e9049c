// Writes the SBOM of a new image from its package database.
import type { ContentStore } from '../../content/content.ts';
import { reportFile } from '../../contract/report-kinds.ts';
import type { MetadataFile } from '../../contract/vocabulary.ts';
import { PackageDatabaseError } from '../../debian/package-database.ts';
import { spdxFromDpkg } from '../../evidence/spdx.ts';
import { readContent } from '../../oci/bounded-read.ts';
import { type Artifact, soleRoot } from '../../plan/artifact.ts';
import type { ImagePlan } from '../../plan/image-plan.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { bytesOf } from './image.ts';
import { DPKG_STATUS_BYTES_MAX } from './image-file-limits.ts';

/**
 * Writes the SBOM (SPDX 2.3) of an image to content. Does nothing for an image without dpkg. Throws BuildError if the package
 * database cannot be read.
 */
export async function writeImageSbom(
  content: ContentStore,
  plan: ImagePlan,
  artifact: Artifact,
): Promise<MetadataFile[]> {
  const [source] = artifact.component_sources;
  if (source === undefined) return [];
  const tooLarge = () => rejected(`it has more than ${DPKG_STATUS_BYTES_MAX / 1024 ** 2} MiB`);
  const status = await readContent(content, source.digest, { sizeBytesMax: DPKG_STATUS_BYTES_MAX, tooLarge });
  const bytes = Buffer.from(`${JSON.stringify(documentOf(status.toString('utf8'), plan, artifact), null, 2)}\n`);
  return [reportFile('SPDX_SBOM', await content.put(bytesOf(bytes)))];
}

function documentOf(status: string, plan: ImagePlan, artifact: Artifact): object {
  const { product, operating_system, epoch } = plan;
  try {
    return spdxFromDpkg(status, {
      name: product.key,
      version: product.version,
      digest: soleRoot(artifact).descriptor.digest,
      created: new Date(epoch * 1000).toISOString(),
      operating_system,
      description: product.description,
      licenses: product.licenses,
      ...(product.home_url !== undefined && { home_url: product.home_url }),
    });
  } catch (error) {
    if (error instanceof PackageDatabaseError) throw rejected(error.message);
    throw error;
  }
}

function rejected(why: string): BuildError {
  return new BuildError(`The image's package database cannot be read: ${why}.`, {
    step: 'SBOM',
    cause_kind: 'BUILD_ERROR',
  });
}
