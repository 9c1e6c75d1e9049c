// `get`: shows one resource with all its fields, one field on a line.
import type { Command } from 'commander';
import { ProblemError } from '../../client/problem-error.ts';
import { CommandFailed, type Io } from '../io.ts';
import { sayFields } from '../output.ts';
import { inSession, type Session } from '../session.ts';

export type Fields = Record<string, string | number | boolean | undefined>;

type Get<T, O> = {
  /** The noun of the resource, such as `base image`. */
  noun: string;
  /** The help text of the argument. The default is `its id`. */
  by?: string;
  load(session: Session, name: string, options: O): Promise<T>;
  fields(thing: T): Fields;
};

/** Adds `get` to the commands of a noun. `O` are the options that the caller adds to the command. */
export function addGet<T, O extends object = object>(
  group: Command,
  io: Io,
  { noun, by = 'its id', load, fields }: Get<T, O>,
): Command {
  return (
    group
      .command('get')
      // For example: show a user, show an API token.
      .description(`show ${/^[aeio]/i.test(noun) ? 'an' : 'a'} ${noun}`)
      .argument(`<${noun}>`, by)
      .action(
        inSession<O>(io, async (session, options, [name = '']) => {
          const thing = await named(noun, name, load(session, name, options));
          session.show(thing, (one) => sayFields(io, fields(one)));
        }),
      )
  );
}

/** Replaces a 404 by an error that names the resource. */
export async function named<T>(noun: string, name: string, found: Promise<T>): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.type !== '/problems/not-found') throw error;
    throw new CommandFailed(`There is no ${noun} ${name} that this token can see.`);
  }
}
