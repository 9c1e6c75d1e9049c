// The index of the charts of a registry. It is an artifact at the root of the registry. Catalogs of charts find the
// repositories of charts in it.

/** Media types of the artifact, and the name of its file. Programs that read such indexes expect them. */
export const CHARTS_INDEX = {
  repository: 'charts-index',
  tag: 'latest',
  config: 'application/vnd.vmware.charts.index.config.v1+json',
  layer: 'application/vnd.vmware.charts.index.layer.v1+json',
  title: 'charts-index.json',
} as const;

/**
 * The largest index in bytes. With the limits below, Larder's own entries have at most 8 MiB. Other programs may have written
 * the other entries.
 */
export const CHARTS_INDEX_BYTES_MAX = 16 * 1024 * 1024;
/** The most versions of all charts together. A version takes 300 bytes, and readers hold the whole index in memory. */
const VERSIONS_MAX = 20_000;
/**
 * The most versions of one chart, beginning with the newest. Clients show some tens, and list the tags of the repository to
 * find more.
 */
const VERSIONS_OF_CHART_MAX = 100;

export type IndexedVersion = {
  version: string;
  appVersion: string;
  name: string;
  /** References without a scheme, such as `registry.example.com/team/charts/debian-12/redis:1.0.3`. */
  urls: string[];
  /** The digest of the manifest. */
  digest: string;
  /** The time in RFC 3339. */
  releasedAt: string;
};

/**
 * The versions of each repository of charts, newest first. The key is the name of the repository below the root of the index.
 */
type ChartEntries = ReadonlyMap<string, readonly IndexedVersion[]>;

/**
 * Returns the bytes of an index. An entry of `existing` stays if its repository is not in `own`, because another program or
 * another installation made it. Bytes that are not an index count as empty. The same entries give the same bytes.
 */
export function writeChartsIndex(
  entries: ChartEntries,
  { existing, own }: { existing?: Buffer | undefined; own: ReadonlySet<string> },
): Buffer {
  const foreign = Object.entries(entriesOf(existing)).filter(([repository]) => !own.has(repository));
  const most = Math.max(1, Math.min(VERSIONS_OF_CHART_MAX, Math.floor(VERSIONS_MAX / Math.max(1, entries.size))));
  const listed = [...entries].map(
    ([repository, versions]) => [repository, { versions: versions.slice(0, most) }] as const,
  );
  const all = [...foreign, ...listed].sort(([one], [other]) => (one < other ? -1 : 1));
  return Buffer.from(`${JSON.stringify({ apiVersion: 'v1', entries: Object.fromEntries(all) })}\n`);
}

function entriesOf(bytes: Buffer | undefined): Record<string, unknown> {
  if (bytes === undefined) return {};
  try {
    const { entries } = JSON.parse(bytes.toString('utf8')) as { entries?: unknown };
    return typeof entries === 'object' && entries !== null && !Array.isArray(entries) ? { ...entries } : {};
  } catch {
    // The text is not JSON, or is JSON that is not an object. Nobody can read it, so it is replaced.
    return {};
  }
}
