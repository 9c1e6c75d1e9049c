// Where the command line reads and writes: the process's streams, or a test's.
import type { Readable, Writable } from 'node:stream';

export type Io = {
  out: Writable;
  err: Writable;
  in: Readable;
};

/** Exit statuses, for scripts; docs/api-guide.md lists them. */
export const EXIT = {
  done: 0,
  /** The server or the check of an archive rejected, or what was watched failed. */
  rejected: 1,
  /** The command was not understood, or a file that it names cannot be read. */
  usage: 2,
  /** No server answers, or one that is not Larder. */
  unreachable: 3,
  /** A fault of this program (EX_SOFTWARE of sysexits.h). */
  fault: 70,
} as const;

/** Ends the command with a message for the person and an exit code. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.rejected) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Why a file cannot be used, by the system's code (errno(3)). */
const FILE_FAULTS: Record<string, string> = {
  EACCES: 'this account may not read it',
  EPERM: 'this account may not read it',
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of its path is no folder',
  EISDIR: 'it is a folder',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
};

/** The sentence for a file that cannot be read. */
export function cannotRead(path: string, error: unknown): string {
  return `${path} cannot be read: ${explainFileError(error)}.`;
}

/** Why, in words where they are known. */
export function explainFileError(error: unknown): string {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  return FILE_FAULTS[code] ?? (code === '' ? message : code);
}
