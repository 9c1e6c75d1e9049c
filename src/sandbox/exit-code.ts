// Exit codes of programs in words.
import { constants } from 'node:os';

/** A shell returns this plus the number of the signal that ended a program. */
const SIGNAL_BASE = 128;

/** Returns an exit code for a message, with the signal that it stands for: `code 1`, `code 137 (SIGKILL)`. */
export function exitCodeInWords(code: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => code === SIGNAL_BASE + number)?.[0];
  return signal === undefined ? `code ${code}` : `code ${code} (${signal})`;
}
