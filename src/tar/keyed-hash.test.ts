// The keyed hash gives the results that its authors have published.
import { describe, expect, it } from 'vitest';
import { halfSipHash, keyedHash } from './keyed-hash.ts';

describe('HalfSipHash', () => {
  // Published results of HalfSipHash-2-4. The key is 00 01 … 07, the message is 00 01 … with the given length, and the result
  // is little-endian.
  const key = [0x03020100, 0x07060504] as const;
  it.each([
    [0, 'a9359f5b'],
    [1, '27475ab8'],
    [2, 'fa62a603'],
    [3, '8afee704'],
    [4, '2a6e4689'],
  ])('returns the published result for %i bytes', (length, expected) => {
    const message = Buffer.from(Array.from({ length }, (_none, at) => at));
    const result = Buffer.alloc(4);
    result.writeInt32LE(halfSipHash(message, key, { word: 2, end: 4 }));
    expect(result.toString('hex')).toBe(expected);
  });

  it('depends on the key, on each byte and on the length', () => {
    const hash = (bytes: number[], key0 = 1) => halfSipHash(Buffer.from(bytes), [key0, 2], { word: 1, end: 3 });
    const hashes = [hash([]), hash([0]), hash([0, 0]), hash([0, 0, 0, 0]), hash([0, 0, 0, 1]), hash([], 3)];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('returns the same value for the same name within a process', () => {
    expect(keyedHash(Buffer.from('usr/bin/env'))).toBe(keyedHash(Buffer.from('usr/bin/env')));
  });
});
