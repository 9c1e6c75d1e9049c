// A folder that a sandbox sees read-only. It is filled before the sandbox opens, and removed after the sandbox is closed.
import { randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../../contract/vocabulary.ts';
import { SANDBOX_FOLDER } from '../../sandbox/sandbox-command.ts';
import { ensureFolder, type Workspace } from '../../sandbox/workspace.ts';

export type GivenFolder = AsyncDisposable & {
  /** The path on this machine, for the option `given` of `openSandbox`. */
  folder: string;
  /** Returns the path at which the sandbox sees a file of this folder. */
  inside(name: string): string;
  /** Writes bytes to a file of this folder. */
  write(name: string, bytes: Buffer | string, mode?: number): Promise<void>;
  /** Writes a content to a file of this folder. Throws ContentMissing. */
  copy(name: string, digest: Digest): Promise<void>;
};

/** Creates an empty given folder. */
export function openGivenFolder(workspace: Workspace): GivenFolder {
  const folder = ensureFolder(workspace, 'given', randomUUID());
  const place = (name: string): string => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    return path;
  };
  return {
    folder,
    inside: (name) => join(SANDBOX_FOLDER, name),
    async write(name, bytes, mode = 0o644) {
      await writeFile(place(name), bytes);
      // Sets the mode explicitly, because the umask of this process may have reduced it.
      await chmod(join(folder, name), mode);
    },
    async copy(name, digest) {
      await pipeline(await workspace.content.open(digest), createWriteStream(place(name)));
      await chmod(join(folder, name), 0o644);
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}
