// The suite that every content store must pass. The test of each kind of store runs it.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContentInfo, ContentStore } from '../../src/content/content.ts';
import type { Digest } from '../../src/content/digest.ts';

type Opened = { store: ContentStore; close?: () => Promise<void> };

const NOTHING: Digest = `sha256:${'0'.repeat(64)}`;

/** Declares the suite for one kind of store. `open` returns an empty store. */
export function testContentStore(kind: string, open: () => Promise<Opened>): void {
  describe(`content store: ${kind}`, () => {
    let opened: Opened;
    const store = () => opened.store;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close?.());
    describe('contents', () => testContents(store));
    describe('rejections', () => testRejections(store));
    describe('uploads', () => testUploads(store));
    describe('broken uploads', () => testBrokenUploads(store));
  });
}

function testContents(store: () => ContentStore): void {
  it('returns stored content by its digest', async () => {
    const bytes = Buffer.from('some content');
    expect(await store().put(chunksOf(bytes, 5))).toEqual({ digest: digestOf(bytes), size: bytes.length });
    expect(await read(store(), digestOf(bytes))).toEqual(bytes);
    expect((await store().stat(digestOf(bytes)))?.size).toBe(bytes.length);
  });

  it('stores a content of many megabytes and an empty one', async () => {
    const large = Buffer.alloc(9_000_001, 'larder');
    for (const bytes of [large, Buffer.alloc(0)]) {
      const { digest } = await store().put(chunksOf(bytes, 70_000));
      expect((await read(store(), digest)).equals(bytes)).toBe(true);
    }
  });

  it('keeps the bytes even if the caller reuses its buffer', async () => {
    const first = await store().put(reusedBuffer());
    expect((await read(store(), first.digest)).toString()).toBe('aabbcc');
  });

  it('returns ranges, the end inclusive', async () => {
    const { digest } = await store().put(chunksOf(Buffer.from('0123456789'), 3));
    const ranges = [{ start: 2, end: 4 }, { start: 7 }, { start: 0 }, { start: 0, end: 99 }, { start: 10 }];
    const texts = await Promise.all(
      ranges.map(async (range) => String(await buffer(await store().open(digest, range)))),
    );
    expect(texts).toEqual(['234', '789', '0123456789', '0123456789', '']);
  });

  it('updates the time of a content that is put again', async () => {
    const { digest } = await store().put(chunksOf(Buffer.from('twice'), 5));
    const first = await store().stat(digest);
    await waitForClock();
    await store().put(chunksOf(Buffer.from('twice'), 5));
    expect((await store().stat(digest))?.touchedAt.getTime()).toBeGreaterThan(Number(first?.touchedAt));
  });

  it('updates the time of a content by touch', async () => {
    const { digest } = await store().put(chunksOf(Buffer.from('touched'), 5));
    const first = await store().stat(digest);
    await waitForClock();
    expect(await store().touch(digest)).toBe(true);
    expect((await store().stat(digest))?.touchedAt.getTime()).toBeGreaterThan(Number(first?.touchedAt));
    expect(await store().touch(NOTHING)).toBe(false);
  });

  it('lists every content once with its size', async () => {
    const { digest } = await store().put(chunksOf(Buffer.from('listed'), 6));
    const listed = await listAll(store());
    expect(listed.filter((info) => info.digest === digest)).toMatchObject([{ digest, size: 6 }]);
    expect(new Set(listed.map((info) => info.digest)).size).toBe(listed.length);
  });

  it('deletes content, and a second deletion is not an error', async () => {
    const { digest } = await store().put(chunksOf(Buffer.from('to forget'), 9));
    await store().delete(digest);
    await store().delete(digest);
    expect(await store().stat(digest)).toBeUndefined();
  });

  it('keeps content that was put after the sweep listed it', async () => {
    const { digest } = await store().put(chunksOf(Buffer.from('swept or not'), 4));
    await store().delete(digest, { untouchedSince: new Date(0) });
    expect(await store().stat(digest)).toBeDefined();
    await waitForClock();
    await store().delete(digest, { untouchedSince: new Date() });
    expect(await store().stat(digest)).toBeUndefined();
  });

  it('accepts the same content from concurrent puts', async () => {
    const bytes = Buffer.alloc(300_000, 'x');
    const infos = await Promise.all(Array.from({ length: 8 }, () => store().put(chunksOf(bytes, 50_000))));
    expect(new Set(infos.map(({ digest }) => digest))).toEqual(new Set([digestOf(bytes)]));
    expect((await read(store(), digestOf(bytes))).equals(bytes)).toBe(true);
  });

  it('returns its free space, if it is limited', async () => {
    const share = (await store().freeShare()) ?? 0.5;
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThanOrEqual(1);
  });
}

function testRejections(store: () => ContentStore): void {
  it('returns no stream for content that it does not have', async () => {
    await expect(store().open(NOTHING)).rejects.toMatchObject({ code: 'CONTENT_MISSING', digest: NOTHING });
    expect(await store().stat(NOTHING)).toBeUndefined();
  });

  it('stores nothing if the digest or the size is not the expected one', async () => {
    const bytes = Buffer.from('not what was said');
    const put = (expected: { digest?: Digest; size?: number }) => store().put(chunksOf(bytes, 4), expected);
    await expect(put({ digest: NOTHING })).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
    await expect(put({ size: 3 })).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
    expect(await store().stat(digestOf(bytes))).toBeUndefined();
    expect(await store().stat(NOTHING)).toBeUndefined();
  });

  it('stores nothing of a stream that breaks', async () => {
    const before = (await listAll(store())).length;
    await expect(store().put(broken('half of it'))).rejects.toThrow('connection lost');
    expect((await listAll(store())).length).toBe(before);
  });
}

function testUploads(store: () => ContentStore): void {
  it('makes content from the parts of an upload', async () => {
    const id = 'organization/repository/../upload 1';
    expect(await store().uploads.length(id)).toBe(0);
    expect(await store().uploads.append(id, 0, chunksOf(Buffer.from('first, '), 3))).toBe(7);
    expect(await store().uploads.append(id, 7, chunksOf(Buffer.from('second'), 3))).toBe(13);
    const digest = digestOf(Buffer.from('first, second'));
    expect(await store().uploads.commit(id, digest)).toEqual({ digest, size: 13 });
    expect(String(await read(store(), digest))).toBe('first, second');
    expect(await store().uploads.length(id)).toBe(0);
  });

  it('commits an upload of no bytes', async () => {
    const digest = digestOf(Buffer.alloc(0));
    expect(await store().uploads.commit('empty upload', digest)).toEqual({ digest, size: 0 });
  });

  it('keeps uploads separate, and deletes one', async () => {
    await store().uploads.append('one', 0, chunksOf(Buffer.from('one'), 3));
    await store().uploads.append('other', 0, chunksOf(Buffer.from('other'), 3));
    await store().uploads.drop('one');
    expect([await store().uploads.length('one'), await store().uploads.length('other')]).toEqual([0, 5]);
  });

  it('does not return an upload as content before it is committed', async () => {
    const bytes = Buffer.from('not yet');
    await store().uploads.append('uncommitted', 0, chunksOf(bytes, 7));
    expect(await store().stat(digestOf(bytes))).toBeUndefined();
  });

  it('rejects a part that does not begin at the end of the upload', async () => {
    await store().uploads.append('offsets', 0, chunksOf(Buffer.from('four'), 4));
    for (const offset of [0, 3, 5]) {
      const late = store().uploads.append('offsets', offset, chunksOf(Buffer.from('x'), 1));
      await expect(late).rejects.toMatchObject({ code: 'OFFSET_MISMATCH', held: 4 });
    }
  });

  it('keeps the upload if its digest is not the expected one', async () => {
    await store().uploads.append('wrong digest', 0, chunksOf(Buffer.from('right'), 2));
    await expect(store().uploads.commit('wrong digest', NOTHING)).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
    const digest = digestOf(Buffer.from('right'));
    expect(await store().uploads.commit('wrong digest', digest)).toEqual({ digest, size: 5 });
  });

  it('deletes uploads that were not written to for a time', async () => {
    await store().uploads.append('stale', 0, chunksOf(Buffer.from('stale'), 5));
    await store().uploads.expire(new Date(0));
    expect(await store().uploads.length('stale')).toBe(5);
    await waitForClock();
    expect(await store().uploads.expire(new Date())).toBeGreaterThan(0);
    expect(await store().uploads.length('stale')).toBe(0);
    expect(await store().uploads.append('stale', 0, chunksOf(Buffer.from('anew'), 4))).toBe(4);
  });
}

function testBrokenUploads(store: () => ContentStore): void {
  it('continues after the bytes of a broken stream', async () => {
    await expect(store().uploads.append('broken', 0, broken('half'))).rejects.toThrow('connection lost');
    const held = await store().uploads.length('broken');
    expect(held).toBe(4);
    await store().uploads.append('broken', held, chunksOf(Buffer.from(' and half'), 4));
    const digest = digestOf(Buffer.from('half and half'));
    expect(await store().uploads.commit('broken', digest)).toEqual({ digest, size: 13 });
  });

  it('lets a newer part take over from one whose sender is silent', async () => {
    const silent = silentAfter('begun');
    const older = store().uploads.append('taken over', 0, silent.bytes);
    await silent.sent;
    await store().uploads.append('taken over', 5, chunksOf(Buffer.from(', ended'), 7));
    silent.wake();
    await expect(older).rejects.toMatchObject({ code: 'OFFSET_MISMATCH' });
    const digest = digestOf(Buffer.from('begun, ended'));
    expect(await store().uploads.commit('taken over', digest)).toEqual({ digest, size: 12 });
  });
}

/** Returns the digest of bytes in memory. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Returns the bytes as a stream of chunks of one size. */
export function chunksOf(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  const starts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => index * size);
  return Readable.from(starts.map((start) => bytes.subarray(start, start + size)));
}

async function read(store: ContentStore, digest: Digest): Promise<Buffer> {
  return await buffer(await store.open(digest));
}

async function* broken(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
  throw new Error('connection lost');
}

async function* reusedBuffer(): AsyncIterable<Uint8Array> {
  const bytes = Buffer.alloc(2);
  for (const letter of ['a', 'b', 'c']) {
    yield bytes.fill(letter);
  }
}

/**
 * Returns a stream that yields the text, waits for `wake`, and then yields one more byte. `sent` resolves when the text was
 * read.
 */
function silentAfter(text: string): { bytes: AsyncIterable<Uint8Array>; sent: Promise<void>; wake: () => void } {
  const sent = Promise.withResolvers<void>();
  const woken = Promise.withResolvers<void>();
  async function* bytes() {
    yield Buffer.from(text);
    sent.resolve();
    await woken.promise;
    yield Buffer.from('!');
  }
  return { bytes: bytes(), sent: sent.promise, wake: woken.resolve };
}

/** Waits until the clock shows another millisecond, so that two times differ. */
async function waitForClock(): Promise<void> {
  const start = Date.now();
  while (Date.now() <= start + 1) {
    await new Promise(setImmediate);
  }
}

/** Returns all entries of a store. */
export async function listAll(store: ContentStore): Promise<(ContentInfo & { touchedAt: Date })[]> {
  const listed = [];
  for await (const info of store.list()) {
    listed.push(info);
  }
  return listed;
}
