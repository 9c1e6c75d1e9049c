// Sources and targets of copies: memory, the content store, a remote registry, the hosted one.
import type { Readable } from 'node:stream';
import type { ByteRange } from '../content/content.ts';
import type { Descriptor, Digest } from './descriptor.ts';

export type MountResult = 'mounted' | 'rejected';

export interface Source {
  /** Returns the descriptor of a tag or digest; undefined if it does not exist. */
  resolve(reference: string): Promise<Descriptor | undefined>;
  fetch(descriptor: Descriptor, range?: ByteRange): Promise<Readable>;
}

/** An artifact with all its manifests and their bytes. */
export type WholeArtifact = {
  blobs: Descriptor[];
  manifests: { descriptor: Descriptor; bytes: Buffer }[];
  tags: string[];
};

export interface Target extends Source {
  exists(descriptor: Descriptor): Promise<boolean>;
  /** Stores a blob or manifest. Each try calls `open` again. */
  push(descriptor: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>): Promise<void>;
  /**
   * Adds a blob of another repository of the same registry without sending its bytes (distribution-spec, "Mounting a blob from another
   * repository").
   */
  mount(descriptor: Descriptor, fromRepository: string): Promise<MountResult>;
  /** Sets a tag to a manifest that was pushed. */
  tag(descriptor: Descriptor, tag: string): Promise<void>;
  /** Returns the manifests whose subject is this digest. */
  referrers(subject: Digest, artifactType?: string): Promise<Descriptor[]>;
  /** The target's registry and repository. Blobs can be mounted between targets of one registry. */
  readonly place?: { registry: string; repository: string };
  /** Stores a manifest directly under its tag, which saves a request to a remote registry. */
  pushTagged?(descriptor: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>, tag: string): Promise<void>;
  /**
   * Makes a whole artifact visible at once, under its tags, if the target already has all its content. Otherwise returns false and changes
   * nothing. The manifests are in an order in which children come first; the tags point to the last one.
   */
  linkArtifact?(artifact: WholeArtifact): Promise<boolean>;
  /**
   * Adds referrers to the list of their subject. For registries that do not do this themselves when a referrer is pushed
   * (distribution-spec, "Referrers Tag Schema").
   */
  attach?(subject: Digest, referrers: Descriptor[]): Promise<void>;
}
