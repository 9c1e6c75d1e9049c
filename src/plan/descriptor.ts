// The schemas of digests, platforms and descriptors in stored values (OCI image-spec v1.1, descriptor.md).
import { type Static, Type } from 'typebox';

export const Digest = Type.Unsafe<`sha256:${string}`>({ type: 'string', pattern: '^sha256:[a-f0-9]{64}$' });

export const Platform = Type.Object({
  os: Type.String(),
  architecture: Type.String(),
  variant: Type.Optional(Type.String()),
});

export const Descriptor = Type.Object({
  mediaType: Type.String(),
  digest: Digest,
  /** The size in bytes. */
  size: Type.Integer({ minimum: 0 }),
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
  artifactType: Type.Optional(Type.String()),
  platform: Type.Optional(Platform),
});
export type Descriptor = Static<typeof Descriptor>;
