// The plan of a container image. It contains everything that the build needs, and every input is pinned by digest.
import { type Static, Type } from 'typebox';
import { Digest, Platform } from './descriptor.ts';
import { BasePin, CustomizationPin, PackagePin } from './pin.ts';

export const PlannedFile = Type.Object({
  path: Type.String(),
  digest: Digest,
  size: Type.Integer(),
  mode: Type.Integer(),
  uid: Type.Integer(),
  gid: Type.Integer(),
});
export type PlannedFile = Static<typeof PlannedFile>;

export const ImageUser = Type.Object({
  name: Type.String(),
  uid: Type.Integer(),
  gid: Type.Integer(),
  home: Type.String(),
  groups: Type.Optional(Type.Array(Type.String())),
});
export type ImageUser = Static<typeof ImageUser>;

export const Environment = Type.Record(Type.String(), Type.String());

export const HealthCheck = Type.Object({
  command: Type.Array(Type.String()),
  interval_seconds: Type.Number(),
  timeout_seconds: Type.Number(),
  retries: Type.Integer(),
});

/** The parts of the image config that the recipe determines: the metadata, and how the image runs. */
const ImageSettings = Type.Object({
  user: ImageUser,
  environment: Environment,
  entrypoint: Type.Array(Type.String()),
  command: Type.Array(Type.String()),
  ports: Type.Array(
    Type.Object({ port: Type.Integer(), protocol: Type.Union([Type.Literal('tcp'), Type.Literal('udp')]) }),
  ),
  volumes: Type.Array(Type.String()),
  working_directory: Type.String(),
  stop_signal: Type.Optional(Type.String()),
  health: Type.Optional(HealthCheck),
  labels: Type.Record(Type.String(), Type.String()),
});
export type ImageSettings = Static<typeof ImageSettings>;

const test = { name: Type.String(), timeout_seconds: Type.Number() };

/** One test of the built image. During the test, the image's own entrypoint runs. */
export const ProductTest = Type.Union([
  Type.Object({
    ...test,
    kind: Type.Literal('exec'),
    command: Type.Array(Type.String()),
    environment: Type.Optional(Environment),
    stdout: Type.Optional(Type.String()),
    exit_code: Type.Optional(Type.Integer()),
  }),
  Type.Object({
    ...test,
    kind: Type.Literal('http'),
    port: Type.Integer(),
    path: Type.String(),
    status: Type.Integer(),
    body: Type.Optional(Type.String()),
  }),
  Type.Object({
    ...test,
    kind: Type.Literal('tcp'),
    port: Type.Integer(),
    send: Type.Optional(Type.String()),
    receive: Type.Optional(Type.String()),
  }),
]);
export type ProductTest = Static<typeof ProductTest>;

/** The product and its version. All packaging types have the same form. */
export const PlannedProduct = Type.Object({
  key: Type.String(),
  name: Type.String(),
  branch: Type.String(),
  version: Type.String(),
  description: Type.String(),
  licenses: Type.Array(Type.String()),
  home_url: Type.Optional(Type.String()),
});

export const ImagePlan = Type.Object({
  format: Type.Literal(1),
  packaging_type: Type.Literal('CONTAINER_IMAGE'),
  product: PlannedProduct,
  platform: Platform,
  /** The operating system, such as `debian-12`. */
  operating_system: Type.String(),
  base: BasePin,
  packages: Type.Array(PackagePin),
  /** Folders that the image must have. They are created with this mode and owner. */
  folders: Type.Array(
    Type.Object({ path: Type.String(), mode: Type.Integer(), uid: Type.Integer(), gid: Type.Integer() }),
  ),
  files: Type.Array(PlannedFile),
  links: Type.Array(Type.Object({ path: Type.String(), target: Type.String() })),
  /** Paths of files that packages create but the image must not contain. A path may contain `*` and `**`. */
  remove: Type.Array(Type.String()),
  image: ImageSettings,
  tests: Type.Array(ProductTest),
  /** Environment variables that are set only while the image is verified, such as a password for the tests. */
  test_environment: Type.Optional(Environment),
  customizations: Type.Array(CustomizationPin),
  /** The latest time of a file in the image, in seconds since 1970 (SOURCE_DATE_EPOCH). */
  epoch: Type.Integer(),
});
export type ImagePlan = Static<typeof ImagePlan>;
