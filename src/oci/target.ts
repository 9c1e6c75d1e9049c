// The interface of sources and targets of copies. Implementations are memory, the content store, a remote registry and the
// hosted registry.
import type { Readable } from 'node:stream';
import type { ByteRange } from '../content/content.ts';
import type { Descriptor, Digest } from './descriptor.ts';

export type MountResult = 'mounted' | 'rejected';

export interface Source {
  /** Returns the descriptor of a tag or digest, or undefined if it does not exist. */
  resolve(reference: string): Promise<Descriptor | undefined>;
  fetch(descriptor: Descriptor, range?: ByteRange): Promise<Readable>;
}

/** An artifact: its blobs, its manifests with their bytes, and its tags. */
export type WholeArtifact = {
  blobs: Descriptor[];
  manifests: { descriptor: Descriptor; bytes: Buffer }[];
  tags: string[];
};

export interface Target extends Source {
  exists(descriptor: Descriptor): Promise<boolean>;
  /** Stores a blob or manifest. Each attempt calls `open` again. */
  push(descriptor: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>): Promise<void>;
  /**
   * Adds a blob of another repository of the same registry, without sending its bytes (distribution-spec, "Mounting a blob
   * from another repository").
   */
  mount(descriptor: Descriptor, fromRepository: string): Promise<MountResult>;
  /** Sets a tag to a manifest that was already pushed. */
  tag(descriptor: Descriptor, tag: string): Promise<void>;
  /** Returns the manifests whose subject is this digest. */
  referrers(subject: Digest, artifactType?: string): Promise<Descriptor[]>;
  /**
   * The target's registry and repository. A blob can be mounted from one target to another if both have the same registry.
   */
  readonly place?: { registry: string; repository: string };
  /** Stores a manifest directly under its tag. This saves a request to a remote registry. */
  pushTagged?(descriptor: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>, tag: string): Promise<void>;
  /**
   * Makes a whole artifact visible at once, under its tags, if the target already has all its content. Otherwise returns
   * false and changes nothing. In `artifact`, each manifest comes after its children, and the tags are for the last manifest.
   */
  linkArtifact?(artifact: WholeArtifact): Promise<boolean>;
  /**
   * Adds referrers to the list of their subject. Needed for registries that do not add a referrer when it is pushed
   * (distribution-spec, "Referrers Tag Schema").
   */
  attach?(subject: Digest, referrers: Descriptor[]): Promise<void>;
}
