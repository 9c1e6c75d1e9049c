// Receives one archive. The inspector and the content store both read its bytes, at the pace of the slower reader.
import type { MultipartFile } from '@fastify/multipart';
import type { ContentInfo, ContentStore } from '../../content/content.ts';
import type { UploadedArchive } from '../../contract/endpoint.ts';
import { FILENAME_LENGTH_MAX } from '../../contract/limits.ts';
import type { Violation } from '../../contract/problem.ts';
import { ArchiveRejected } from '../../customization/errors.ts';
import { inspectArchive } from '../../customization/inspect.ts';
import type { Inspection } from '../../customization/inspection.ts';
import { ARCHIVE_BYTES_MAX } from '../../customization/limits.ts';
import { listingBytes } from '../../customization/stored-inspection.ts';
import { tooLarge } from './body-bytes.ts';
import { type Branch, branch, feed } from './chunk-tee.ts';

export type ReceivedArchive = {
  violations: Violation[];
  more: number;
  /** Stores the bytes as content. Call this only if there is no violation. */
  keep(): Promise<UploadedArchive>;
  /** Discards the bytes. */
  drop(): Promise<void>;
};

/** Thrown to the content store while it reads, so that it discards the bytes. */
class NotKept extends Error {
  override readonly name = 'NotKept';
}

/**
 * Reads a part to its end. Throws Rejection (too-large) if it exceeds the limit. If the stream breaks, throws the error of
 * the stream.
 */
export async function receiveArchive(part: MultipartFile, content: ContentStore): Promise<ReceivedArchive> {
  const toInspector = branch();
  const toContent = branch();
  const verdict = Promise.withResolvers<void>();
  const inspected = settle(inspectArchive(toInspector.bytes), toInspector);
  const stored = settle(content.put(heldBack(toContent.bytes, verdict.promise)), toContent);
  const drop = async () => {
    verdict.reject(new NotKept());
    await stored;
  };
  verdict.promise.catch(() => {});
  try {
    await feed(part.file, [toInspector, toContent]);
    if (part.file.truncated) throw tooLarge(ARCHIVE_BYTES_MAX);
    const inspection = await inspected;
    if (!('error' in inspection)) return accepted(inspection.value, { part, content, stored, verdict, drop });
    if (!(inspection.error instanceof ArchiveRejected)) throw inspection.error;
    return rejected(inspection.error, drop);
  } catch (error) {
    await drop();
    throw error;
  }
}

type Settled<T> = { value: T } | { error: unknown };

/** Waits for a reader. When the reader ends or fails, closes its branch. */
async function settle<T>(reader: Promise<T>, from: Branch): Promise<Settled<T>> {
  try {
    return { value: await reader };
  } catch (error) {
    return { error };
  } finally {
    from.leave();
  }
}

/**
 * Yields the bytes, and ends only after the verdict. The store keeps the bytes when the stream ends, and discards them if the
 * stream throws.
 */
async function* heldBack(bytes: AsyncIterable<Uint8Array>, verdict: Promise<void>): AsyncGenerator<Uint8Array> {
  yield* bytes;
  await verdict;
}

type Accepted = {
  part: MultipartFile;
  content: ContentStore;
  stored: Promise<Settled<ContentInfo>>;
  verdict: PromiseWithResolvers<void>;
  drop(): Promise<void>;
};

function accepted(inspection: Inspection, { part, content, stored, verdict, drop }: Accepted): ReceivedArchive {
  return {
    violations: [],
    more: 0,
    drop,
    async keep() {
      verdict.resolve();
      const held = await stored;
      if ('error' in held) throw held.error;
      const { digest, size } = held.value;
      const listing = await content.put(listingBytes(inspection));
      const kept = { ...inspection, listing: listing.digest };
      return { digest, size_bytes: size, filename: safeFilename(part.filename), inspection: kept };
    },
  };
}

function rejected(error: ArchiveRejected, drop: () => Promise<void>): ReceivedArchive {
  const keep = () => Promise.reject(error);
  return { violations: [...error.violations], more: error.more, keep, drop };
}

const FILENAME = 'customization.tar.gz';

/** Returns a file name without folders, control characters and bidirectional marks. */
function safeFilename(given: string | undefined): string {
  const last = (given ?? '').split(/[/\\]/).at(-1) ?? '';
  const clean = last
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .trim()
    .slice(0, FILENAME_LENGTH_MAX);
  return clean === '' || clean === '.' || clean === '..' ? FILENAME : clean;
}
