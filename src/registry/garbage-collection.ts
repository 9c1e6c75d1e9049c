// Keeps the memory of streams low. The buffers of a large blob are collected earlier than V8 would collect them.
// docs/decisions/0038 has the figures.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * After this many bytes, a collection of young objects is started. A collection takes a millisecond. At full speed there are
 * about twenty a second.
 */
const COLLECT_BYTES = 16 * 1024 * 1024;

let passed = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Counts the bytes of buffers that are no longer used, and collects young objects every 16 MiB. Without this, V8 collects
 * only after 64 MiB, because these bytes are outside its heap.
 */
export function countPassed(bytes: number): void {
  passed += bytes;
  if (passed >= COLLECT_BYTES) {
    passed = 0;
    collect ??= findCollector();
    collect({ type: 'minor' });
  }
}

/** Returns the function `gc`. V8 adds it only to contexts that are created after `--expose-gc` is set. */
function findCollector(): (options: { type: 'minor' }) => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}
