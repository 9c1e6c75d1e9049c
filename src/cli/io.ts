// The input and output of the command line: the process's streams, or a test's.
import type { Readable, Writable } from 'node:stream';

export type Io = {
  out: Writable;
  err: Writable;
  in: Readable;
};

/** Exit statuses, for scripts; docs/api-guide.md lists them. */
export const EXIT = {
  done: 0,
  /** The server or the check of an archive rejected something, or a watched pipeline failed. */
  rejected: 1,
  /** The arguments are invalid, or a file that they name cannot be read. */
  usage: 2,
  /** No server answers, or the answer is not Larder's. */
  unreachable: 3,
  /** A fault of this program (EX_SOFTWARE of sysexits.h). */
  fault: 70,
} as const;

/** Ends the command with a message for the person and an exit status. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.rejected) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Explanations of file errors by errno(3) code. */
const FILE_FAULTS: Record<string, string> = {
  EACCES: 'this account may not read it',
  EPERM: 'this account may not read it',
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of its path is not a folder',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links form a loop',
  ENAMETOOLONG: 'its name is too long',
};

/** Returns the sentence for a file that cannot be read. */
export function cannotRead(path: string, error: unknown): string {
  return `${path} cannot be read: ${explainFileError(error)}.`;
}

/** Returns the explanation of a file error, or its code if there is none. */
export function explainFileError(error: unknown): string {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  return FILE_FAULTS[code] ?? (code === '' ? message : code);
}
