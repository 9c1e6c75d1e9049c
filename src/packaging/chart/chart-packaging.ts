// The packaging of Helm charts: its entry in the table of packagings.
import type { Digest } from '../../contract/vocabulary.ts';
import { type Artifact, contentsOfArtifact } from '../../plan/artifact.ts';
import type { ChartPlan } from '../../plan/chart-plan.ts';
import type { Component } from '../../plan/component.ts';
import { formatPurl } from '../../plan/purl.ts';
import type { Packaging, Place } from '../packaging.ts';
import { buildChart } from './build-chart.ts';
import { planChart } from './plan-chart.ts';
import { verifyChart } from './verify-chart.ts';

export const chartPackaging: Packaging<ChartPlan> = {
  requires: { verify: 'HELM' },
  plan: planChart,
  build: buildChart,
  verify: verifyChart,
  contents: contentsOfChart,
  components: async (plan) => listImages(plan),
  place: placeOf,
  versionSeries: ({ chart }) => chart.series,
  needs: ({ registries }, registryId) => (registries[registryId]?.images ?? []).map(({ digest }) => digest),
};

/** Returns the contents of the chart. The images and the base image are not included, because their own releases keep them. */
function contentsOfChart({ chart }: ChartPlan, artifact?: Artifact): Digest[] {
  const files = [...chart.files, ...(chart.test_values ?? [])].map(({ digest }) => digest);
  return artifact === undefined ? files : [...files, ...contentsOfArtifact(artifact)];
}

/** Returns the images of the chart, each once. */
function listImages({ registries }: ChartPlan): Component[] {
  const components = Object.values(registries).flatMap(({ host, images }) =>
    images.map(({ product, repository, tag, digest }) => ({
      purl: formatPurl({
        type: 'oci',
        name: repository.slice(repository.lastIndexOf('/') + 1),
        version: digest,
        qualifiers: { repository_url: `${host}/${repository}`, tag },
      }),
      ...{ name: product, version: tag },
    })),
  );
  return [...new Map(components.map((one) => [one.purl, one])).values()];
}

/** Returns the place of a chart in a registry. Its only tag is its version, as helm requires. */
function placeOf({ chart }: ChartPlan, version?: string): Place {
  return {
    repository: { folder: 'charts', name: chart.name },
    immutableTag() {
      if (version === undefined) throw new Error(`The chart ${chart.name} has no version yet`);
      return version;
    },
    movingTags: () => [],
  };
}
