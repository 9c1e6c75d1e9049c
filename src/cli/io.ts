// The input and output of the command line: the streams of the process, or of a test.
import type { Readable, Writable } from 'node:stream';

export type Io = {
  out: Writable;
  err: Writable;
  in: Readable;
};

/** Exit statuses for scripts. docs/api-guide.md lists them. */
export const EXIT = {
  done: 0,
  /** The server or the check of an archive has rejected something, or a watched pipeline has failed. */
  rejected: 1,
  /** The arguments are invalid, or a file in them cannot be read. */
  usage: 2,
  /** No server answers, or the server that answers is not Larder. */
  unreachable: 3,
  /** A fault of this program (EX_SOFTWARE in sysexits.h). */
  fault: 70,
} as const;

/** Ends the command with an exit status and a message for the person. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.rejected) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Explanations of file errors by code (errno(3)). */
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
