// Where the command line reads and writes: the process's streams, or a test's.
import type { Readable, Writable } from 'node:stream';

export type Io = {
  out: Writable;
  err: Writable;
  in: Readable;
};

/** Exit codes, for scripts. */
export const EXIT = {
  done: 0,
  /** The server refused, or what was watched failed. */
  refused: 1,
  /** The command was not understood. */
  usage: 2,
  /** The server does not answer. */
  unreachable: 3,
} as const;

/** Ends the command with a message for the person and an exit code. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.refused) {
    super(message);
    this.exitCode = exitCode;
  }
}
