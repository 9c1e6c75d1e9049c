// Writes the index of referrers under a tag while other clients write the same index.
import { expect, it } from 'vitest';
import type { Descriptor, Digest, Index } from '../descriptor.ts';
import { EMPTY_CONFIG } from '../manifest.ts';
import { addToReferrersTag, referrersTag } from './referrers-tag.ts';

const SUBJECT: Digest = `sha256:${'a'.repeat(64)}`;
const referrer = (digit: string): Descriptor => ({ ...EMPTY_CONFIG, digest: `sha256:${digit.repeat(64)}` });

it('returns the tag of the specification', () => {
  expect(referrersTag(SUBJECT)).toBe(`sha256-${'a'.repeat(64)}`);
});

it('writes entries again that another process overwrote', async () => {
  let held: Descriptor[] = [];
  let interrupted = false;
  await addToReferrersTag(SUBJECT, [referrer('1'), referrer('2')], {
    lock: 'x',
    read: async () => held,
    async write(_index, bytes) {
      held = interrupted ? (JSON.parse(bytes.toString()) as Index).manifests : [referrer('3')];
      interrupted = true;
    },
  });
  expect(held.map(({ digest }) => digest[7])).toEqual(['3', '1', '2']);
});

it('throws a temporary error if each write is overwritten', async () => {
  let writes = 0;
  const lost = addToReferrersTag(SUBJECT, [referrer('1')], {
    lock: 'x',
    read: async () => [],
    write: async () => void writes++,
  });
  await expect(lost).rejects.toMatchObject({ code: 'CONTENDED', temporary: true });
  expect(writes).toBe(5);
});

it('succeeds if only the last write is not overwritten', async () => {
  let held: Descriptor[] = [];
  let writes = 0;
  await addToReferrersTag(SUBJECT, [referrer('1')], {
    lock: 'x',
    read: async () => held,
    async write(_index, bytes) {
      writes++;
      held = writes === 5 ? (JSON.parse(bytes.toString()) as Index).manifests : [referrer('2')];
    },
  });
  expect(held.map(({ digest }) => digest[7])).toEqual(['2', '1']);
});

it('writes nothing if the index has all entries', async () => {
  await addToReferrersTag(SUBJECT, [referrer('1')], {
    lock: 'x',
    read: async () => [referrer('1')],
    write: () => expect.unreachable('no need to write'),
  });
});
