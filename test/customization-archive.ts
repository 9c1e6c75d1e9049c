// Archives of customizations for stories, made by tar as a person makes them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, openAsBlob, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { UploadSource } from '../src/contract/endpoint.ts';

/** Writes the files into a folder of `scratch` and packs them: `files` are texts by path. */
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
