// Loaded into a process of Larder with `node --import`. It reads the share of free space from the file in TEST_FREE_SHARE.
import { readFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** The number of blocks that is reported. With this number, the share at the limit is exact. */
const BLOCKS = 100_000;

const statfs = promises.statfs;

/** Returns the kernel's answer with other numbers of blocks. */
async function answer(path: string) {
  const free = Math.round(Number(readFileSync(process.env['TEST_FREE_SHARE'] ?? '', 'utf8')) * BLOCKS);
  return Object.assign(await statfs(path), { blocks: BLOCKS, bfree: free, bavail: free });
}

if (process.env['TEST_FREE_SHARE'] !== undefined) {
  promises.statfs = answer as typeof promises.statfs;
  syncBuiltinESMExports();
}
