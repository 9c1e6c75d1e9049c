// The start of every command: the client for the chosen server, and the catalog.
import type { Command } from 'commander';
import { type Client, openClient } from '../client/client.ts';
import { CommandFailed, EXIT, type Io } from './io.ts';
import { sayJson } from './output.ts';

export type GlobalOptions = { url: string; token?: string; catalog?: string; json?: boolean };

export type Session = {
  io: Io;
  url: string;
  client: Client;
  /** Returns the id of the catalog in the command line. Without one, returns the id of the organization's first catalog. */
  catalogId(): Promise<string>;
  /** Writes JSON if `--json` is given, and otherwise calls `people`. */
  show<T>(value: T, people: (value: T) => void): void;
};

/** Opens the session of a command. Throws CommandFailed if there is no token or the URL is invalid. */
export function openSession(command: Command, io: Io): Session {
  const options = command.optsWithGlobals<GlobalOptions>();
  if (options.token === undefined || options.token === '') {
    throw new CommandFailed('An API token is required: set LARDER_TOKEN, or give --token.', EXIT.usage);
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

/** Returns the origin of a server's address. Throws CommandFailed if the text is not such an address. */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === '' && url.pathname === '/';
  if (plain && (url.protocol === 'http:' || url.protocol === 'https:')) return url.origin;
  throw new CommandFailed(
    'The server (--url or LARDER_URL) should be like http://127.0.0.1:8080: scheme, host and port, nothing else.',
    EXIT.usage,
  );
}

async function firstCatalog(client: Client): Promise<string> {
  const { items } = await client.call('listCatalogs', { owned: true, order_direction: 'ASC', page_size: 1 });
  if (items[0] === undefined) throw new CommandFailed('The organization has no catalog.');
  return items[0].id;
}

/** Makes a Commander action from a function that gets the session, the command's options and its arguments. */
export function inSession<O extends object>(
  io: Io,
  act: (session: Session, options: O, names: string[]) => Promise<void>,
) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    await act(openSession(command, io), command.opts<O>(), command.args);
  };
}
