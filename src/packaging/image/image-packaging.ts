// The packaging of container images, which is an entry of the table of packagings.
import type { ContentStore } from '../../content/content.ts';
import type { Digest } from '../../contract/vocabulary.ts';
import { debPurl, parseStatus } from '../../evidence/dpkg-packages.ts';
import { type Artifact, contentsOfArtifact } from '../../plan/artifact.ts';
import type { Component } from '../../plan/component.ts';
import type { ImagePlan } from '../../plan/image-plan.ts';
import { contentsOfBase } from '../../plan/pin.ts';
import type { BuildTools, Packaging, Place } from '../packaging.ts';
import { build } from './build-image.ts';
import { readPackageDatabase } from './image-files.ts';
import { writeImageSbom } from './image-sbom.ts';
import { immutableTag, rollingTags } from './image-tags.ts';
import { planImage } from './plan-image.ts';
import { verify } from './verify-image.ts';

export const imagePackaging: Packaging<ImagePlan> = {
  requires: { build: 'SANDBOX', verify: 'SANDBOX' },
  plan: planImage,
  build: buildImage,
  verify,
  contents: contentsOfImage,
  components: listComponents,
  place: placeOf,
  needs: () => [],
};

/** Builds the image and adds its SBOM to the reports. */
async function buildImage(plan: ImagePlan, tools: BuildTools): Promise<Artifact> {
  const artifact = await build(plan, tools);
  const sbom = await writeImageSbom(tools.workspace.content, plan, artifact);
  return { ...artifact, reports: [...artifact.reports, ...sbom] };
}

function contentsOfImage(plan: ImagePlan, artifact?: Artifact): Digest[] {
  const customizations = plan.customizations.flatMap((one) => [one.digest, ...one.packages.map((pin) => pin.digest)]);
  const pins = plan.packages.map((pin) => pin.digest);
  const files = plan.files.map((file) => file.digest);
  const inputs = [...contentsOfBase(plan.base), ...pins, ...files, ...customizations];
  return artifact === undefined ? inputs : [...inputs, ...contentsOfArtifact(artifact)];
}

/**
 * Returns the installed packages of the finished image. Returns an empty list for an image without dpkg. Throws
 * PackageDatabaseError.
 */
async function listComponents(
  plan: ImagePlan,
  artifact: Artifact,
  { content }: { content: ContentStore },
): Promise<Component[]> {
  const components: Component[] = [];
  for (const { digest } of artifact.component_sources) {
    for (const found of parseStatus(await readPackageDatabase(content, digest))) {
      const { name, version, architecture, source } = found;
      components.push({
        purl: debPurl(found, plan.operating_system),
        ...{ name, version, source },
        ...(architecture === undefined ? {} : { architecture }),
      });
    }
  }
  return components;
}

function placeOf({ product: { key, version }, operating_system }: ImagePlan): Place {
  return {
    repository: { folder: 'containers', name: key },
    immutableTag: (revision) => immutableTag({ version, operating_system, revision }),
    movingTags: ({ revision, others }) => rollingTags({ version, operating_system, revision, others }),
  };
}
