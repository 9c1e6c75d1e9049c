// Runs commands on the machine of the server. Prints the result, or an error in one line.
import type { Command } from 'commander';
import type { Role, TokenScope } from '../contract/vocabulary.ts';
import { CommandFailed, type Io } from './io.ts';

/** Operations without a server, for a machine that can connect to the database. */
export type OperatorTools = {
  /** Creates an API token and prints it. */
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

/** Runs a command and prints its result. Throws CommandFailed for errors that have a message for people. */
export async function operate(act: () => Promise<string>, io: Io): Promise<void> {
  try {
    io.out.write(`${await act()}\n`);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    throw new CommandFailed(error.message);
  }
}
