// From a Debian version to upstream's, and from upstream's to the branch it belongs to.

/**
 * Upstream's version in a Debian one, without epoch, revision and what Debian added to it: `5:7.0.15-1~deb12u7` is
 * 7.0.15, `1:1.2.13.dfsg-1` is 1.2.13 (deb-version(7)).
 */
export function upstreamVersion(version: string): string {
  const withoutEpoch = version.replace(/^\d+:/, '');
  const withoutRevision = withoutEpoch.replace(/-[^-]*$/, '');
  // Repacked sources, backports and pre-releases: the part before says which release it is.
  return withoutRevision.replace(/(?:[+~]|\.dfsg|\.ds\d|dfsg).*$/, '').replace(/-.*$/, '');
}

/** The first components of a version: 7.0.15 with two is 7.0; undefined when it has fewer numbers than that. */
export function branchOf(version: string, components: number): string | undefined {
  const parts = version.split('.').slice(0, components);
  return parts.length === components && parts.every((part) => /^\d+$/.test(part)) ? parts.join('.') : undefined;
}
