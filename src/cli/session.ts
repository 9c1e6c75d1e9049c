// What every command starts from: the client for the chosen server, and the catalog it works in.
import type { Command } from 'commander';
import { type Client, openClient } from '../client/client.ts';
import { CommandFailed, EXIT, type Io } from './io.ts';
import { sayJson } from './output.ts';

export type GlobalOptions = { url: string; token?: string; catalog?: string; json?: boolean };

export type Session = {
  io: Io;
  url: string;
  client: Client;
  /** The catalog named on the command line, or the organization's first. */
  catalogId(): Promise<string>;
  /** Writes JSON when that was asked for, and otherwise what `people` writes. */
  show<T>(value: T, people: (value: T) => void): void;
};

/** Opens the session of a command. Throws CommandFailed without a token, and when the URL is none. */
export function openSession(command: Command, io: Io): Session {
  const options = command.optsWithGlobals<GlobalOptions>();
  if (options.token === undefined || options.token === '') {
    throw new CommandFailed('An API token is needed: set LARDER_TOKEN, or give --token.', EXIT.usage);
  }
  const url = originOf(options.url);
  const client = openClient({ url, apiToken: options.token });
  return {
    io,
    url,
    client,
    catalogId: async () => options.catalog ?? (await firstCatalog(client)),
    show(value, people) {
      if (options.json) sayJson(io, value);
      else people(value);
    },
  };
}

/** Throws CommandFailed for what is no address of a server. */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === '' && url.pathname === '/';
  if (plain && (url.protocol === 'http:' || url.protocol === 'https:')) return url.origin;
  throw new CommandFailed(
    'The server (--url or LARDER_URL) is named like http://127.0.0.1:8080: scheme, host and port, nothing else.',
    EXIT.usage,
  );
}

async function firstCatalog(client: Client): Promise<string> {
  const { items } = await client.call('listCatalogs', { owned: true, order_direction: 'ASC', page_size: 1 });
  if (items[0] === undefined) throw new CommandFailed('The organization has no catalog.');
  return items[0].id;
}

/** Makes an action out of a function that takes the session, the command's own options, and its arguments. */
export function inSession<O extends object>(
  io: Io,
  act: (session: Session, options: O, names: string[]) => Promise<void>,
) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    await act(openSession(command, io), command.opts<O>(), command.args);
  };
}
