// Commands for the keys that sign releases.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { readJson } from '../../client/answer.ts';
import type { Client } from '../../client/client.ts';
import { SIGNING_KEY_OVERLAP_DAYS_DEFAULT, SIGNING_KEY_OVERLAP_DAYS_MAX } from '../../contract/limits.ts';
import { type SigningKey, TRUSTED_ROOT_PATH } from '../../contract/signing-key.ts';
import { CommandFailed, cannotRead, EXIT, type Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { say, sayFields, sayJson, sayTable, shortTime } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { addGet, named } from './get.ts';

export function addSigningKeyCommands(program: Command, io: Io): void {
  const group = program.command('signing-keys').description('list, show and replace the keys that sign releases');
  addGet(group, io, {
    noun: 'signing key',
    load: async ({ client }, signing_key_id) => await client.call('getSigningKey', { signing_key_id }),
    fields: fieldsOf,
  });
  addKeyList(group, io);
  addPublished(group, io);
  addChanges(group, io);
}

function fieldsOf({ id, status, origin, created_at, created_by, signs_until, public_key_url }: SigningKey) {
  return {
    ...{ status, origin, made: shortTime(created_at), 'made by': created_by },
    ...{ 'signs until': signs_until && shortTime(signs_until), 'public key': public_key_url, id },
  };
}

function addKeyList(group: Command, io: Io): void {
  addList(group, 'list the keys that sign or signed releases, the current one first').action(
    inSession<PageOptions>(io, async ({ client, show }, pages) => {
      const page = await readPages(pages, (at) => client.call('listSigningKeys', at));
      show(page, ({ items }) =>
        sayTable(io, items, [
          ['STATUS', ({ status }) => status],
          ['ORIGIN', ({ origin }) => origin],
          ['MADE', ({ created_at }) => shortTime(created_at)],
          ['MADE BY', ({ created_by }) => created_by],
          ['SIGNS UNTIL', ({ signs_until }) => shortTime(signs_until)],
          ['ID', ({ id }) => id],
        ]),
      );
      sayRest(io, page);
    }),
  );
}

/** Adds the commands that show what a client needs to verify a release: public keys and the trusted root. */
function addPublished(group: Command, io: Io): void {
  group
    .command('public-key')
    .description('print a public key in PEM, for cosign verify --key')
    .argument('[id]', 'its id (default: the current key)')
    .action(
      inSession(io, async ({ client, show }, _options, [id]) => {
        const key = id === undefined ? await currentKey(client) : await keyOf(client, id);
        show(key, ({ public_key }) => say(io, public_key.trimEnd()));
      }),
    );
  group
    .command('trusted-root')
    .description('print the trusted root that cosign needs beside the public key to verify offline')
    .action(
      inSession(io, async ({ client, url }) => {
        sayJson(io, await readJson(url, await client.send({ method: 'GET', path: TRUSTED_ROOT_PATH })));
      }),
    );
}

type Change = { overlapDays?: number };

function addChanges(group: Command, io: Io): void {
  group
    .command('rotate')
    .description('create another key, which signs from now on; earlier keys stay published')
    .addOption(overlapOption())
    .action(inSession<Change>(io, (session, options) => change(session, options)));
  group
    .command('import')
    .description('let a private key of your own sign from now on; earlier keys stay published')
    .argument('<file>', 'an ECDSA P-256 key in PEM, not encrypted; - reads standard input')
    .addOption(overlapOption())
    .action(
      inSession<Change>(io, async (session, options, [file = '']) =>
        change(session, options, await readKeyFile(io, file)),
      ),
    );
}

function overlapOption(): Option {
  const what = `how long the earlier keys sign too (default: ${SIGNING_KEY_OVERLAP_DAYS_DEFAULT}); 0 ends their use at once`;
  return new Option('--overlap-days <days>', what).argParser(daysOf);
}

function daysOf(given: string): number {
  const days = Number(given);
  if (/^\d{1,3}$/.test(given) && days <= SIGNING_KEY_OVERLAP_DAYS_MAX) return days;
  throw new InvalidArgumentError(`It should be a whole number from 0 to ${SIGNING_KEY_OVERLAP_DAYS_MAX}.`);
}

async function change({ io, client, show }: Session, { overlapDays }: Change, private_key?: string): Promise<void> {
  const { id } = await client.call('createSigningKey', {
    ...(private_key !== undefined && { private_key }),
    ...(overlapDays !== undefined && { overlap_days: overlapDays }),
  });
  show(await client.call('getSigningKey', { signing_key_id: id }), (key) => sayFields(io, fieldsOf(key)));
}

async function readKeyFile(io: Io, file: string): Promise<string> {
  const read = file === '-' ? await text(io.in) : await readNamedFile(file);
  if (read.trim() === '') throw new CommandFailed(`${file === '-' ? 'Standard input' : file} is empty.`, EXIT.usage);
  return read;
}

async function readNamedFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandFailed(cannotRead(file, error), EXIT.usage);
  }
}

async function currentKey(client: Client): Promise<SigningKey> {
  const { items } = await client.call('listSigningKeys', { page_size: 1 });
  const [key] = items;
  if (key === undefined)
    throw new CommandFailed('The organization has no signing key yet; its first release makes one.');
  return key;
}

async function keyOf(client: Client, signing_key_id: string): Promise<SigningKey> {
  return await named('signing key', signing_key_id, client.call('getSigningKey', { signing_key_id }));
}
