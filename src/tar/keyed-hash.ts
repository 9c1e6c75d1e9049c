// HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"). It is a hash for tables to which an attacker
// may add keys.
import { randomInt } from 'node:crypto';

/** A random key of this process, so that an attacker cannot choose names whose hashes collide. */
const KEY: HashKey = [randomInt(2 ** 32) | 0, randomInt(2 ** 32) | 0];
/**
 * One round for each word and three at the end, as in the hash tables of Rust and Linux. Signatures need more rounds, but no
 * secret depends on this hash.
 */
const TABLE_ROUNDS: Rounds = { word: 1, end: 3 };

/** The two halves of the key. Each has 32 bits. */
type HashKey = readonly [number, number];
type Rounds = { word: number; end: number };

/** Returns a 32-bit hash of the bytes, with the key of this process. */
export function keyedHash(bytes: Buffer): number {
  return halfSipHash(bytes, KEY, TABLE_ROUNDS);
}

/** Returns HalfSipHash-`word`-`end` of the bytes, which has 32 bits. */
export function halfSipHash(bytes: Buffer, [key0, key1]: HashKey, rounds: Rounds): number {
  const state = new Int32Array([key0, key1, 0x6c796765 ^ key0, 0x74656462 ^ key1]);
  const { length } = bytes;
  const whole = length - (length % 4);
  for (let at = 0; at < whole; at += 4) {
    compress(
      state,
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24),
      rounds.word,
    );
  }
  let last = length << 24;
  for (let at = whole; at < length; at++) last |= (bytes[at] ?? 0) << (8 * (at - whole));
  compress(state, last, rounds.word);
  state[2] = (state[2] ?? 0) ^ 0xff;
  for (let count = 0; count < rounds.end; count++) round(state);
  return (state[1] ?? 0) ^ (state[3] ?? 0);
}

function compress(state: Int32Array, word: number, rounds: number): void {
  state[3] = (state[3] ?? 0) ^ word;
  for (let count = 0; count < rounds; count++) round(state);
  state[0] = (state[0] ?? 0) ^ word;
}

function round(state: Int32Array): void {
  let [v0 = 0, v1 = 0, v2 = 0, v3 = 0] = [state[0], state[1], state[2], state[3]];
  v0 = (v0 + v1) | 0;
  v1 = rotated(v1, 5) ^ v0;
  v0 = rotated(v0, 16);
  v2 = (v2 + v3) | 0;
  v3 = rotated(v3, 8) ^ v2;
  v0 = (v0 + v3) | 0;
  v3 = rotated(v3, 7) ^ v0;
  v2 = (v2 + v1) | 0;
  v1 = rotated(v1, 13) ^ v2;
  v2 = rotated(v2, 16);
  state[0] = v0;
  state[1] = v1;
  state[2] = v2;
  state[3] = v3;
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
