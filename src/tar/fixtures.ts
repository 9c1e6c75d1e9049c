// For the tests of archives: bytes in chunks of any size, and archives collected whole.
import { createHash } from 'node:crypto';
import type { TarEntry, TarHeader, TarInput } from './entry.ts';
import { type ReadOptions, readTar } from './read.ts';
import { writeTar } from './write.ts';

/** A stream of pieces of this many bytes. */
export async function* chunked(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}

export type WholeEntry = Omit<TarEntry, 'body'> & { content: string };

/** Reads an archive whole. */
export async function readAll(
  bytes: Uint8Array,
  options: ReadOptions & { chunk?: number } = {},
): Promise<WholeEntry[]> {
  const { chunk = 64 * 1024, ...rest } = options;
  const entries: WholeEntry[] = [];
  for await (const { header, name, body } of readTar(chunked(bytes, chunk), rest)) {
    entries.push({ header, name, content: (await collect(body)).toString() });
  }
  return entries;
}

/** An entry with ordinary owner and mode. */
export function entry(path: string, options: Partial<TarHeader> & { content?: string | Buffer } = {}): TarInput {
  const { content, ...header } = options;
  const body = Buffer.from(content ?? '');
  const type = header.type ?? (content === undefined ? 'folder' : 'file');
  return {
    header: {
      path,
      type,
      mode: type === 'folder' ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      size: body.length,
      mtime: 0,
      ...header,
    },
    ...(type === 'file' ? { body: [body] } : {}),
  };
}

export async function archiveOf(entries: TarInput[]): Promise<Buffer> {
  return collect(writeTar(entries));
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
