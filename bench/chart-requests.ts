// Counts the requests with which charts get into a registry. Counts the requests for the chart itself separately from the
// requests for its signatures and reports.
import type { FaultyProxy } from '../test/faulty-proxy.ts';

/** A released chart: its path in the registry, its version, and the digest of its manifest. */
export type PushedChart = { repository: string; version: string; digest: string };

export type RequestCounts = {
  /** The requests for manifest, config and archive of the charts, by method and kind. */
  own: Map<string, number>;
  /** The other requests to repositories of charts. */
  attached: Map<string, number>;
};

const sum = (counts: Map<string, number>) => [...counts.values()].reduce((total, count) => total + count, 0);

/** Returns a line with the number of requests for one chart, in total and by kind. */
export function describeCounts(counts: Map<string, number>, charts: number): { total: number; line: string } {
  const kinds = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const line = kinds.map(([kind, count]) => `${kind} ${(count / charts).toFixed(2)}`).join(', ');
  return { total: sum(counts) / charts, line };
}

/** Counts the requests that a proxy saw, beginning with the request at an index. `url` is the registry behind the proxy. */
export async function countRequests(
  proxy: FaultyProxy,
  { from, url, charts }: { from: number; url: string; charts: PushedChart[] },
): Promise<RequestCounts> {
  const names = new Set<string>();
  for (const chart of charts) for (const name of await namesOf(url, chart)) names.add(name);
  const counts: RequestCounts = { own: new Map(), attached: new Map() };
  let unnamedUploads = 0;
  for (const request of proxy.seen.slice(from)) {
    const seen = readRequest(request);
    if (seen === undefined) continue;
    if (seen.name === undefined) unnamedUploads += 1;
    else add(names.has(seen.name) ? counts.own : counts.attached, seen.kind);
  }
  // An upload is opened without the digest of its blob, and each opened upload is then ended with the digest.
  const ended = counts.own.get('PUT upload') ?? 0;
  add(counts.own, 'POST upload', ended);
  add(counts.attached, 'POST upload', unnamedUploads - ended);
  return counts;
}

function add(counts: Map<string, number>, kind: string, by = 1): void {
  counts.set(kind, (counts.get(kind) ?? 0) + by);
}

/** Returns the tags and digests of a chart. */
async function namesOf(url: string, { repository, version, digest }: PushedChart): Promise<string[]> {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const answer = await fetch(`${url}/v2/${repository}/manifests/${digest}`, { headers: { accept } });
  if (!answer.ok) throw new Error(`${repository}@${digest} answers ${answer.status}`);
  const { config, layers } = (await answer.json()) as { config: { digest: string }; layers: { digest: string }[] };
  return [`${repository}:${version}`, digest, config.digest, ...layers.map((layer) => layer.digest)];
}

/** Reads `METHOD path` of a request to a repository of charts. `name` is undefined when an upload is opened. */
function readRequest(request: string): { kind: string; name: string | undefined } | undefined {
  const [method = '', address = ''] = request.split(' ');
  const { pathname, searchParams } = new URL(address, 'http://registry');
  const [, repository, what, reference = ''] =
    /^\/v2\/(.*charts\/.*)\/(manifests|blobs|referrers)\/(.*)$/.exec(pathname) ?? [];
  if (repository === undefined) return undefined;
  if (reference.startsWith('uploads/'))
    return { kind: `${method} upload`, name: searchParams.get('digest') ?? searchParams.get('mount') ?? undefined };
  const name = reference.startsWith('sha256:') ? reference : `${repository}:${reference}`;
  return { kind: `${method} ${what === 'manifests' ? 'manifest' : what}`, name };
}
