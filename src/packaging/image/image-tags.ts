// The tags of a release. The immutable tag always points to this release, and the rolling tags move to newer releases.
import { compareUpstreamVersions } from '../../debian/version-order.ts';

/** Returns the tag that always points to this release. */
export function immutableTag(release: { version: string; operating_system: string; revision: number }): string {
  return `${tagText(release.version)}-${release.operating_system}-r${release.revision}`;
}

export type TagScope = {
  version: string;
  operating_system: string;
  revision: number;
  /** The other releases in the same repository. */
  others: readonly { version: string; revision: number }[];
};

/**
 * Returns the tags that move to this release: `7.0.15`, `7.0`, `7`, each with and without the operating system, and `latest`.
 * A tag stays if it also fits another release that has a higher version, or the same version and a higher revision. So a
 * patch of an old branch moves neither `7` nor `latest`.
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

/**
 * Returns a version as part of a tag. Replaces characters that a tag must not contain by `_`. A tag is
 * `[a-zA-Z0-9_][a-zA-Z0-9._-]*` (distribution-spec, "Pulling manifests").
 */
function tagText(version: string): string {
  return version.replaceAll(/[^a-zA-Z0-9._-]/g, '_');
}
