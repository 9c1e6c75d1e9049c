// Commands that work on the machine itself: what they did in one line, and what a person can mend in one line too.
import { CommandFailed, type Io } from './io.ts';

/** Runs one and says what it answers. Throws CommandFailed for errors that are written for people. */
export async function operate(act: () => Promise<string>, io: Io): Promise<void> {
  try {
    io.out.write(`${await act()}\n`);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    throw new CommandFailed(error.message);
  }
}
