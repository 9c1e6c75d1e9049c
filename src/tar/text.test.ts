// Converts names to strings and back without loss, even if they are not UTF-8.
import { expect, it } from 'vitest';
import { seededRandom } from '../../test/fixtures/tar.ts';
import { decodeName, encodeName } from './text.ts';

it.each([
  ['ASCII', Buffer.from('usr/bin'), 'usr/bin'],
  ['UTF-8', Buffer.from('grüße/\u{1f600}'), 'grüße/\u{1f600}'],
  ['Latin-1', Buffer.from([0x61, 0xfc, 0x62]), 'a\udcfcb'],
  ['an overlong slash', Buffer.from([0xc0, 0xaf]), '\udcc0\udcaf'],
  ['a surrogate', Buffer.from([0xed, 0xa0, 0x80]), '\udced\udca0\udc80'],
  ['past the last character', Buffer.from([0xf4, 0x90, 0x80, 0x80]), '\udcf4\udc90\udc80\udc80'],
  ['a cut character', Buffer.from([0x78, 0xe2, 0x82]), 'x\udce2\udc82'],
])('reads %s', (_what, bytes, name) => {
  expect(decodeName(bytes)).toBe(name);
  expect(encodeName(name)).toEqual(bytes);
});

it('preserves any bytes', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 2000; round++) {
    // Most of these bytes begin or continue a UTF-8 sequence.
    const bytes = Buffer.from(Array.from({ length: 12 }, () => 0x78 + Math.floor(random() * 136)));
    expect(encodeName(decodeName(bytes))).toEqual(bytes);
  }
});

it('reads a megabyte of bad bytes', () => {
  expect(decodeName(Buffer.alloc(1024 * 1024, 0xff))).toHaveLength(1024 * 1024);
});
