// A component of an artifact: listed in a bill of materials, and matched with vulnerabilities.

export type Component = {
  /** `pkg:deb/debian/redis-server@5:7.0.15-1?arch=amd64&distro=debian-12` */
  purl: string;
  name: string;
  version: string;
  /** Absent for components that run on any architecture. */
  architecture?: string;
  /** Its source package, if that has another name: advisories of Debian name source packages. */
  source?: { name: string; version: string };
};
