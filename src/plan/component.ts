// A component of an artifact. SBOMs list components, and vulnerabilities are matched with them.

export type Component = {
  /** The package URL, such as `pkg:deb/debian/redis-server@5:7.0.15-1?arch=amd64&distro=debian-12`. */
  purl: string;
  name: string;
  version: string;
  /** The architecture. Absent for components that run on any architecture. */
  architecture?: string;
  /**
   * The source package, if its name differs from the package's name. It is needed because Debian's advisories name source
   * packages.
   */
  source?: { name: string; version: string };
};
