// Keeps the memory of streams low: collects the buffers of a large blob earlier than V8 would. Figures: docs/decisions/0038.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A young collection costs a millisecond; at full speed there are about twenty a second. */
const COLLECT_BYTES = 16 * 1024 * 1024;

let passed = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Counts bytes of buffers that are no longer used. Buffers are outside V8's heap, and V8 collects after 64 MiB of unused ones; this
 * starts a young collection every 16 MiB.
 */
export function countPassed(bytes: number): void {
  passed += bytes;
  if (passed >= COLLECT_BYTES) {
    passed = 0;
    collect ??= findCollector();
    collect({ type: 'minor' });
  }
}

/** Returns the function `gc`, which V8 adds to contexts created after `--expose-gc` is set. */
function findCollector(): (options: { type: 'minor' }) => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}
