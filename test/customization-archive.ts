// Archives of customizations for end-to-end tests. tar makes them, as a person would.
import { execFileSync } from 'node:child_process';
import { mkdirSync, openAsBlob, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { UploadSource } from '../src/contract/endpoint.ts';

/** Writes files to a folder of `scratch` and packs the folder. `files` has their texts by path. */
export async function archiveOf(scratch: string, files: Record<string, string>, name: string): Promise<UploadSource> {
  const folder = join(scratch, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const filename = `${name}.tar.gz`;
  execFileSync('tar', ['-czf', join(scratch, filename), '-C', folder, ...Object.keys(files)]);
  return { filename, bytes: await openAsBlob(join(scratch, filename)) };
}
