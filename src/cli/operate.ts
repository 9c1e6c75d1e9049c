// Commands that work on the machine itself: what they did in one line, and what a person can mend in one line too.
import type { Command } from 'commander';
import type { Role, TokenScope } from '../contract/vocabulary.ts';
import { CommandFailed, type Io } from './io.ts';

/** What commands that talk to a server can do without one, on the machine that reaches its database. */
export type OperatorTools = {
  /** Makes an API token and says it. */
  createToken(request: OperatorTokenRequest, command: Command): Promise<void>;
};

export type OperatorTokenRequest = {
  organization: string;
  user: string | undefined;
  role: Role | undefined;
  scopes: TokenScope[] | undefined;
  name: string | undefined;
  expires_in_days: number | undefined;
  to_file: string | undefined;
};

/** Runs one and says what it answers. Throws CommandFailed for errors that are written for people. */
export async function operate(act: () => Promise<string>, io: Io): Promise<void> {
  try {
    io.out.write(`${await act()}\n`);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    throw new CommandFailed(error.message);
  }
}
