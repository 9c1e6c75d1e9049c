// Keeps the memory of streams low: what a large blob leaves behind is collected as it passes, not when V8 gets round to it. Figures: docs/decisions/0038.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A young collection costs a millisecond: at full speed some twenty a second. */
const COLLECT_BYTES = 16 * 1024 * 1024;

let passed = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Counts bytes that went through a buffer that nobody needs any more. Buffers live outside V8's heap, which lets 64 MiB of
 * dead ones gather before it looks; here the young ones are looked through every 16 MiB.
 */
export function countPassed(bytes: number): void {
  passed += bytes;
  if (passed >= COLLECT_BYTES) {
    passed = 0;
    collect ??= findCollector();
    collect({ type: 'minor' });
  }
}

/** The function that `--expose-gc` gives to contexts made after it. */
function findCollector(): (options: { type: 'minor' }) => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}
