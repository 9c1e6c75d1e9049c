// What a sandbox is given to read: a folder of this machine, filled before the sandbox opens and removed after it is closed.
import { randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../../contract/vocabulary.ts';
import { SANDBOX_FOLDER } from '../../sandbox/sandbox-command.ts';
import { ensureFolder, type Workspace } from '../../sandbox/workspace.ts';

export type GivenFolder = AsyncDisposable & {
  /** On this machine: `openSandbox`'s `given`. */
  folder: string;
  /** Where the sandbox sees a file or folder of it. */
  inside(name: string): string;
  /** Puts bytes into a file of it. `mode` is for everybody in the sandbox. */
  write(name: string, bytes: Buffer | string, mode?: number): Promise<void>;
  /** Puts a content into a file of it. Throws ContentMissing. */
  copy(name: string, digest: Digest): Promise<void>;
};

/** Makes an empty one. */
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
      // Whatever this process's umask is.
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
