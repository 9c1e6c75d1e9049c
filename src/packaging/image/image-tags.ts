// The tags of a release: one that never moves, and those that follow the newest.
import { compareUpstreamVersions } from '../../debian/version-order.ts';

/** The tag that names this release for ever. */
export function immutableTag(release: { version: string; operating_system: string; revision: number }): string {
  return `${tagText(release.version)}-${release.operating_system}-r${release.revision}`;
}

export type TagScope = {
  version: string;
  operating_system: string;
  revision: number;
  /** What is released in the same repository already: this one's predecessors and rivals. */
  others: readonly { version: string; revision: number }[];
};

/**
 * The tags that this release takes over: `7.0.15`, `7.0`, `7`, each with and without the operating system where that is told,
 * and `latest`. A tag stays where a higher version of the same line is released already, or a higher revision of this one: a
 * patch of an old branch moves neither `7` nor `latest`, and a release that was late moves nothing.
 */
export function rollingTags({ version, operating_system, revision, others }: TagScope): string[] {
  const isNewer = (other: TagScope['others'][number]) => {
    const order = compareUpstreamVersions(other.version, version);
    return order > 0 || (order === 0 && other.revision > revision);
  };
  const parts = tagText(version).split('.');
  const tags = parts.flatMap((_, at) => {
    const line = parts.slice(0, parts.length - at);
    const prefix = line.join('.');
    const isNewest = others.every((other) => !startsWith(other.version, line) || !isNewer(other));
    return isNewest ? [prefix, `${prefix}-${operating_system}`] : [];
  });
  return others.every((other) => !isNewer(other)) ? [...tags, 'latest'] : tags;
}

function startsWith(version: string, line: readonly string[]): boolean {
  const parts = tagText(version).split('.');
  return line.every((part, at) => parts[at] === part);
}

/** A tag is `[a-zA-Z0-9_][a-zA-Z0-9._-]*` (distribution-spec, "Pulling manifests"); what a version has beside becomes `_`. */
function tagText(version: string): string {
  return version.replaceAll(/[^a-zA-Z0-9._-]/g, '_');
}
