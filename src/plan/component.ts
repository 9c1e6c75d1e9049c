// A component of an artifact: what a bill of materials lists and what vulnerabilities are matched with.

export type Component = {
  /** `pkg:deb/debian/redis-server@5:7.0.15-1?arch=amd64&distro=debian-12` */
  purl: string;
  name: string;
  version: string;
  /** Absent for what runs on any architecture. */
  architecture?: string;
  /** What it was built from, where that has a name of its own: advisories of Debian name source packages. */
  source?: { name: string; version: string };
};
