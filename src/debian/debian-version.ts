// Converts Debian versions to upstream versions, and upstream versions to branches.

/**
 * Returns upstream's version in a Debian version: without epoch, revision and Debian's additions. `5:7.0.15-1~deb12u7` gives
 * 7.0.15, and `1:1.2.13.dfsg-1` gives 1.2.13 (deb-version(7)).
 */
export function upstreamVersion(version: string): string {
  const withoutEpoch = version.replace(/^\d+:/, '');
  const withoutRevision = withoutEpoch.replace(/-[^-]*$/, '');
  // Removes the suffixes of repacked sources, backports and pre-releases.
  return withoutRevision.replace(/(?:[+~]|\.dfsg|\.ds\d|dfsg).*$/, '').replace(/-.*$/, '');
}

/**
 * Returns the first `components` parts of a version, such as `7.0` for 7.0.15 and two. Returns undefined if the version has
 * fewer parts.
 */
export function branchOf(version: string, components: number): string | undefined {
  const parts = version.split('.').slice(0, components);
  return parts.length === components && parts.every((part) => /^\d+$/.test(part)) ? parts.join('.') : undefined;
}
