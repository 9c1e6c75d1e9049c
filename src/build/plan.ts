// Everything a build needs, every input pinned by digest: the one value that goes from the control plane into the engine.
import type { Digest, MetadataFile } from '../contract/vocabulary.ts';
import type { Descriptor, Platform } from '../oci/descriptor.ts';

/** A package that the plan fixes: apt's lock line with the purl that names it. */
export type PackagePin = {
  /** `pkg:deb/debian/redis-server@5:7.0.15-1~deb12u7?arch=amd64&distro=debian-12` */
  purl: string;
  name: string;
  /** The distribution's full version. */
  version: string;
  architecture: string;
  digest: Digest;
  size: number;
};

export type LayerPin = { diff_id: Digest; descriptor: Descriptor };

/** A base image at one digest. Everything here is held as content. */
export type BasePin = {
  /** As a person wrote it, for labels: `host/namespace/base/debian:12`. */
  name: string;
  /** What the tag named: manifest or index digest. */
  digest: Digest;
  /** With its platform, which the API tells. */
  manifest: Descriptor;
  config: Descriptor;
  layers: LayerPin[];
  /** The merged listing of all layers (`src/tar/listing.ts`), as content. */
  listing: Digest;
  /** `/var/lib/dpkg/status` of the base, as content; absent where the base has no dpkg. */
  packages?: Digest;
  created_at: string;
};

export type PlannedFile = { path: string; digest: Digest; size: number; mode: number; uid: number; gid: number };

export type ImageUser = { name: string; uid: number; gid: number; home: string; groups?: string[] };

/** How the image presents itself and is run; the recipe's half of the image config. */
export type ImageSettings = {
  user: ImageUser;
  environment: Record<string, string>;
  entrypoint: string[];
  command: string[];
  ports: { port: number; protocol: 'tcp' | 'udp' }[];
  volumes: string[];
  working_directory: string;
  stop_signal?: string;
  health?: { command: string[]; interval_seconds: number; timeout_seconds: number; retries: number };
  labels: Record<string, string>;
};

/** One check of the finished image, run while the image's own entrypoint is up. */
export type ProductTest = {
  name: string;
  timeout_seconds: number;
} & (
  | { kind: 'exec'; command: string[]; environment?: Record<string, string>; stdout?: string; exit_code?: number }
  | { kind: 'http'; port: number; path: string; status: number; body?: string }
  | { kind: 'tcp'; port: number; send?: string; receive?: string }
);

export type CustomizationPin = {
  id: string;
  version: number;
  /** The uploaded archive. */
  digest: Digest;
  /**
   * The newest time in its archive, in seconds since 1970: the ceiling for the times of its files, and the time of what has none, so that one
   * archive makes one layer everywhere and whenever it is uploaded.
   */
  epoch: number;
  /** Packages it declares, solved on top of everything before it. */
  packages: PackagePin[];
};

export type BuildPlan = {
  format: 1;
  packaging_type: 'CONTAINER_IMAGE';
  product: {
    key: string;
    name: string;
    branch: string;
    version: string;
    description: string;
    licenses: string[];
    home_url?: string;
  };
  platform: Platform;
  /** `debian-12` */
  operating_system: string;
  base: BasePin;
  packages: PackagePin[];
  /** Folders that must exist, made with this mode and owner. */
  folders: { path: string; mode: number; uid: number; gid: number }[];
  files: PlannedFile[];
  links: { path: string; target: string }[];
  /** Paths (with `*` and `**`) that the packages make and an image must not hold. */
  remove: string[];
  image: ImageSettings;
  tests: ProductTest[];
  /** Set beside the image's own environment when verification starts it, never in the image: a password for the tests, say. */
  test_environment?: Record<string, string>;
  customizations: CustomizationPin[];
  /** Ceiling for every time in the artifact, in seconds since 1970 (SOURCE_DATE_EPOCH). */
  epoch: number;
};

/** What a build made. The manifest stands for one platform; the index is what a tag names. */
export type Artifact = {
  index: Descriptor;
  manifests: { platform: Platform; manifest: Descriptor; config: Descriptor; layers: Descriptor[] }[];
  /** Reports of the build, without the tests and the trigger, which come later. */
  metadata: MetadataFile[];
  /** `/var/lib/dpkg/status` of the finished image, as content; absent where the image has no dpkg. */
  packages?: Digest;
};
