// The index of the charts of a registry: an artifact at its root, by which catalogs of charts find its repositories.

/** Media types of the artifact, and the name of its file, as programs that read such indexes expect them. */
export const CHARTS_INDEX = {
  repository: 'charts-index',
  tag: 'latest',
  config: 'application/vnd.vmware.charts.index.config.v1+json',
  layer: 'application/vnd.vmware.charts.index.layer.v1+json',
  title: 'charts-index.json',
} as const;

/** Limit of an index. With the limits below, our own entries have at most 8 MiB; the others are those of other programs. */
export const CHARTS_INDEX_BYTES_MAX = 16 * 1024 * 1024;
/** Limit of the versions of all charts together: a version takes 300 bytes, and readers hold the whole index in memory. */
const VERSIONS_MAX = 20_000;
/** Limit of the versions of one chart, newest first: clients show some tens, and list the tags of the repository for more. */
const VERSIONS_OF_CHART_MAX = 100;

export type IndexedVersion = {
  version: string;
  appVersion: string;
  name: string;
  /** References without a scheme: `registry.example.com/team/charts/debian-12/redis:1.0.3`. */
  urls: string[];
  /** The digest of the manifest. */
  digest: string;
  /** RFC 3339. */
  releasedAt: string;
};

/** The repositories of charts, below the root of the index, each with its versions, newest first. */
type ChartEntries = ReadonlyMap<string, readonly IndexedVersion[]>;

/**
 * Returns the bytes of an index. Entries of `existing` stay, unless their repository is in `own`: another program, or another installation,
 * made them. Bytes that are not an index count as empty. The same entries give the same bytes.
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
    // Not JSON, or JSON that is not an object: nobody can read it, so it is replaced.
    return {};
  }
}
