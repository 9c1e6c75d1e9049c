// Writes a secret to a new file that only its owner can read. The secret may be used only after the file is synced to the
// disk.
import { open, rm } from 'node:fs/promises';

/** Why a file cannot be created, by the system's error code (open(2)). */
const WRITE_FAULTS: Record<string, string> = {
  EEXIST: 'it already exists, and is not overwritten. Remove it, or name another file',
  ENOENT: 'its folder does not exist. Create the folder, or name another file',
  ENOTDIR: 'its folder is a file. Name another file',
  EISDIR: 'it is a folder. Name a file in it',
  EACCES: 'this account may not write there. Permit it, or name another file',
  EPERM: 'this account may not write there. Permit it, or name another file',
  EROFS: 'its file system is read-only. Name another file',
  ENOSPC: 'its disk is full. Free some space, or name another file',
};

/** The message is for the person who chose the file. */
export class SecretFileError extends Error {
  override readonly name = 'SecretFileError';
  readonly code = 'SECRET_FILE';
}

/**
 * Writes a line to a new file with mode 0600 and syncs the file. `what` names the secret in errors. Returns a function that
 * removes the file. Throws SecretFileError and then leaves no incomplete file.
 */
export async function writeSecretFile(path: string, what: string, line: string): Promise<() => Promise<void>> {
  const reject = (cause: NodeJS.ErrnoException): never => {
    const fault = WRITE_FAULTS[cause.code ?? ''] ?? `${cause.code ?? cause.message}`;
    throw new SecretFileError(`${what} cannot be written to ${path}: ${fault}.`, { cause });
  };
  const remove = () => rm(path, { force: true });
  // The flag `wx` (O_EXCL) makes sure that no existing file is overwritten and no link is followed.
  const file = await open(path, 'wx', 0o600).catch(reject);
  try {
    await file.writeFile(`${line}\n`);
    await file.sync();
  } catch (error) {
    await remove();
    return reject(error as NodeJS.ErrnoException);
  } finally {
    await file.close();
  }
  return remove;
}
