// A content store in memory, for tests and for small content that is pushed to a registry immediately.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ByteRange, ContentStore, UploadStore } from './content.ts';
import { ContentMissing, checkContent, OffsetMismatch } from './content-errors.ts';
import type { Digest } from './digest.ts';

type Held = { bytes: Buffer; touchedAt: Date };

/** Returns an empty content store in memory. */
export function memoryContent(): ContentStore {
  const contents = new Map<Digest, Held>();
  const keep = (bytes: Buffer, expected: { digest?: Digest; size?: number } = {}) => {
    const info = { digest: digestOf(bytes), size: bytes.length };
    checkContent(info, expected);
    contents.set(info.digest, { bytes, touchedAt: new Date() });
    return info;
  };
  return {
    async put(bytes, expected) {
      return keep(Buffer.concat(await readChunks(bytes)), expected);
    },
    async open(digest, range) {
      return Readable.from([slice(found(contents, digest).bytes, range)], { objectMode: false });
    },
    async stat(digest) {
      const held = contents.get(digest);
      return held && { size: held.bytes.length, touchedAt: held.touchedAt };
    },
    async touch(digest) {
      const held = contents.get(digest);
      if (held !== undefined) {
        held.touchedAt = new Date();
      }
      return held !== undefined;
    },
    async delete(digest, options = {}) {
      const held = contents.get(digest);
      if (held && (options.untouchedSince === undefined || held.touchedAt < options.untouchedSince)) {
        contents.delete(digest);
      }
    },
    async *list() {
      for (const [digest, { bytes, touchedAt }] of contents) {
        yield { digest, size: bytes.length, touchedAt };
      }
    },
    async freeShare() {
      return undefined;
    },
    uploads: memoryUploads(keep),
  };
}

function memoryUploads(
  keep: (bytes: Buffer, expected: { digest: Digest }) => { digest: Digest; size: number },
): UploadStore {
  const uploads = new Map<string, Held>();
  const lengthOf = (id: string) => uploads.get(id)?.bytes.length ?? 0;
  return {
    async append(id, offset, bytes) {
      let held = offset;
      for await (const chunk of bytes) {
        add(uploads, { id, offset: held, bytes: chunk });
        held += chunk.length;
      }
      add(uploads, { id, offset: held, bytes: new Uint8Array(0) });
      return lengthOf(id);
    },
    async length(id) {
      return lengthOf(id);
    },
    async commit(id, digest) {
      const info = keep(uploads.get(id)?.bytes ?? Buffer.alloc(0), { digest });
      uploads.delete(id);
      return info;
    },
    async drop(id) {
      uploads.delete(id);
    },
    async expire(before) {
      const stale = [...uploads].filter(([, held]) => held.touchedAt < before);
      for (const [id] of stale) {
        uploads.delete(id);
      }
      return stale.length;
    },
  };
}

function add(uploads: Map<string, Held>, part: { id: string; offset: number; bytes: Uint8Array }): void {
  const held = uploads.get(part.id)?.bytes ?? Buffer.alloc(0);
  if (held.length !== part.offset) {
    throw new OffsetMismatch(held.length, part.offset);
  }
  uploads.set(part.id, { bytes: Buffer.concat([held, part.bytes]), touchedAt: new Date() });
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function readChunks(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) {
    chunks.push(Buffer.from(chunk));
  }
  return chunks;
}

function found(contents: Map<Digest, Held>, digest: Digest): Held {
  const held = contents.get(digest);
  if (held === undefined) {
    throw new ContentMissing(digest);
  }
  return held;
}

function slice(bytes: Buffer, range?: ByteRange): Buffer {
  return range ? bytes.subarray(range.start, range.end === undefined ? undefined : range.end + 1) : bytes;
}
