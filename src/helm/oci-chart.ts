// Media types and annotations of a chart in a registry, in the format of helm (helm, pkg/registry).
import type { ChartMetadata } from './chart-yaml.ts';

export const CHART_MEDIA_TYPES = {
  config: 'application/vnd.cncf.helm.config.v1+json',
  layer: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
} as const;

const PREFIX = 'org.opencontainers.image';
/** Annotations that are set from the chart's name and version. Annotations with these names in Chart.yaml are ignored. */
const OWN = new Set([`${PREFIX}.title`, `${PREFIX}.version`]);

/** Returns the annotations of a chart's manifest. `created` is in RFC 3339. */
export function manifestAnnotations(metadata: ChartMetadata, created: string): Record<string, string> {
  const { name, version, description, home, sources, maintainers, annotations } = metadata;
  const fields = {
    [`${PREFIX}.title`]: name,
    [`${PREFIX}.version`]: version,
    [`${PREFIX}.created`]: created,
    [`${PREFIX}.description`]: description,
    [`${PREFIX}.url`]: home,
    [`${PREFIX}.source`]: sources?.[0],
    [`${PREFIX}.authors`]: maintainers?.map(authorOf).join(', '),
  };
  const given = Object.entries(fields).flatMap(([key, value]) => (value ? [[key, value] as const] : []));
  const others = Object.entries(annotations ?? {}).filter(([key]) => !OWN.has(key));
  return Object.fromEntries([...given, ...others.map(([key, value]) => [key, String(value)] as const)]);
}

function authorOf({ name, email }: { name: string; email?: string }): string {
  return email === undefined ? name : `${name} (${email})`;
}
