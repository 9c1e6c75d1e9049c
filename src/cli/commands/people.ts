// Commands for users, API tokens and quotas.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { API_TOKEN_DAYS_MAX } from '../../contract/limits.ts';
import { ROLES, type Role, TOKEN_SCOPES, type TokenScope } from '../../contract/vocabulary.ts';
import { CommandFailed, EXIT, type Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { apiTokenId, userId } from '../lookup.ts';
import type { OperatorTools } from '../operate.ts';
import { say, sayTable, shortTime } from '../output.ts';
import { inSession } from '../session.ts';
import { wordOf } from '../words.ts';
import { addGet } from './get.ts';

/** Adds the commands. Without `operator`, they do not have the option `--operator`. */
export function addPeopleCommands(program: Command, io: Io, operator?: OperatorTools): void {
  addTokens(program.command('tokens').description('list, create and revoke API tokens'), io, operator);
  addUsers(program.command('users').description('list, create, change and remove users of the organization'), io);
  program
    .command('quotas')
    .description('show the quotas of the organization and their use')
    .action(
      inSession(io, async ({ client, show }) => {
        show(await client.call('getQuotas', {}), ({ applications }) => {
          if (applications === undefined) say(io, 'There is no limit.');
          else sayTable(io, [applications], [['APPLICATIONS', ({ usage, limit }) => `${usage} of ${limit}`]]);
        });
      }),
    );
}

type NewToken = {
  role?: Role;
  scope?: TokenScope[];
  expires?: string;
  expiresInDays?: number;
  user?: string;
  name?: string;
  operator?: boolean;
  organization?: string;
  toFile?: string;
};

const DAY_MS = 86_400_000;

function addTokens(group: Command, io: Io, operator: OperatorTools | undefined): void {
  addGet(group, io, {
    noun: 'API token',
    by: 'its name or id',
    load: async ({ client }, name) =>
      await client.call('getApiToken', { api_token_id: await apiTokenId(client, name) }),
    fields: ({ id, name, user, role, scopes, status, expires_at, last_used_at }) => ({
      ...{ name, user: user.name, role, reaches: scopes.join(' '), status },
      ...{ ends: shortTime(expires_at), used: shortTime(last_used_at) || 'never', id },
    }),
  });
  addList(group, 'list active and expired tokens: for owners those of the organization, else your own')
    .option('--user <user>', 'only tokens of this user, by name or id')
    .option('--removed', 'only tokens that were revoked')
    .action(
      inSession<PageOptions & { user?: string; removed?: boolean }>(io, async ({ client, show }, options) => {
        const { user, removed, ...pages } = options;
        const filters = {
          ...(removed === true && { removed }),
          ...(user !== undefined && { user_id: await userId(client, user) }),
        };
        const page = await readPages(pages, (at) => client.call('listApiTokens', { ...filters, ...at }));
        show(page, ({ items }) =>
          sayTable(io, items, [
            ['NAME', ({ name }) => name],
            ['USER', ({ user: { name } }) => name],
            ['ROLE', ({ role }) => role],
            ['REACHES', ({ scopes }) => scopes.join(' ')],
            ['STATUS', ({ status }) => status],
            ['ENDS', ({ expires_at }) => shortTime(expires_at)],
            ['USED', ({ last_used_at }) => shortTime(last_used_at) || 'never'],
            ['ID', ({ id }) => id],
          ]),
        );
        sayRest(io, page);
      }),
    );
  const create = group
    .command('create')
    .description('create an API token and print it; it is not shown again')
    .argument('[name]', 'name of the token')
    .option('--name <name>', 'the same, as an option')
    .addOption(roleOption('role of the token: at most yours and its user’s, which is the default'))
    .option('--scope <scope>', `scope of the token: ${TOKEN_SCOPES.join(', ')}; may be repeated`, addScope)
    .option('--expires <time>', 'expiry time, for example 2027-01-31T00:00:00Z (default: in six months)')
    .addOption(new Option('--expires-in-days <days>', 'expiry in days from now').argParser(daysOf).conflicts('expires'))
    .option('--user <user>', 'user of the token, by name or id (for owners)');
  if (operator !== undefined) addOperatorOptions(create);
  const ask = inSession<NewToken>(io, async ({ client, show }, options, [word]) => {
    const { role, scope, expires, expiresInDays, user } = options;
    const end = expiresInDays === undefined ? expires : new Date(Date.now() + expiresInDays * DAY_MS).toISOString();
    const made = await client.call('issueApiToken', {
      name: requireName(word ?? options.name),
      ...(role !== undefined && { role }),
      ...(scope !== undefined && { scopes: scope }),
      ...(end !== undefined && { expires_at: end }),
      ...(user !== undefined && { user_id: await userId(client, user) }),
    });
    show(made, ({ api_token }) => say(io, api_token));
  });
  create.action(async (word: string | undefined, options: NewToken, command: Command) => {
    requireTogether(options);
    if (options.operator !== true) return await ask(word, options, command);
    const { organization = '', user, role, scope: scopes, name, expiresInDays: expires_in_days, toFile } = options;
    const where = { organization, user, to_file: toFile };
    await operator?.createToken({ ...where, role, scopes, name: word ?? name, expires_in_days }, command);
  });
  group
    .command('revoke')
    .description('revoke an API token')
    .argument('<token>', 'its name or id')
    .action(
      inSession(io, async ({ client }, _options, [name = '']) => {
        await client.call('revokeApiToken', { api_token_id: await apiTokenId(client, name) });
      }),
    );
}

function addOperatorOptions(create: Command): void {
  create
    .option(
      '--operator',
      'create the token directly in the database, on a machine that reaches it, without another token',
    )
    .option('--organization <organization>', 'organization of the token, by namespace, name or id (with --operator)')
    .option('--to-file <path>', 'write it to a new file of mode 0600 instead of printing it (with --operator)')
    .addHelpText(
      'after',
      '\nWith --operator, --user defaults to the only owner and --role to the user’s role; LARDER_DATA or LARDER_DATABASE_URL must be those of the server.',
    );
}

function requireTogether({ operator, organization, toFile, expires }: NewToken): void {
  const wrong =
    operator === true
      ? [
          organization === undefined && '--operator needs --organization.',
          expires && 'With --operator use --expires-in-days.',
        ]
      : [organization && '--organization needs --operator.', toFile && '--to-file needs --operator.'];
  const message = wrong.find((one) => typeof one === 'string' && one !== '');
  if (typeof message === 'string') throw new CommandFailed(message, EXIT.usage);
}

function requireName(name: string | undefined): string {
  if (name === undefined) throw new CommandFailed('The token needs a name: give NAME or --name.', EXIT.usage);
  return name;
}

function daysOf(text: string): number {
  const days = Number(text);
  if (/^\d{1,4}$/.test(text) && days >= 1 && days <= API_TOKEN_DAYS_MAX) return days;
  throw new InvalidArgumentError(`It should be a whole number from 1 to ${API_TOKEN_DAYS_MAX}.`);
}

type NewUser = { role: Role; email?: string; withToken?: boolean };

function addUsers(group: Command, io: Io): void {
  addGet(group, io, {
    noun: 'user',
    by: 'their name or id',
    load: async ({ client }, name) => await client.call('getUser', { user_id: await userId(client, name) }),
    fields: ({ id, name, email, role, created_at, created_by }) => ({
      ...{ name, 'e-mail': email, role },
      ...{ made: shortTime(created_at), 'made by': created_by, id },
    }),
  });
  addList(group, 'list the users')
    .option('--removed', 'only users who were removed')
    .action(
      inSession<PageOptions & { removed?: boolean }>(io, async ({ client, show }, { removed, ...pages }) => {
        const filters = removed === true ? { removed } : {};
        const page = await readPages(pages, (at) => client.call('listUsers', { ...filters, ...at }));
        show(page, ({ items }) =>
          sayTable(io, items, [
            ['NAME', ({ name }) => name],
            ['E-MAIL', ({ email }) => email],
            ['ROLE', ({ role }) => role],
            ['SINCE', ({ created_at }) => shortTime(created_at)],
            ['ID', ({ id }) => id],
          ]),
        );
        sayRest(io, page);
      }),
    );
  group
    .command('create')
    .description('create a user; print the id and, with --with-token, the API token')
    .argument('<name>')
    .addOption(roleOption('role of the user').makeOptionMandatory())
    .option('--email <address>', 'e-mail address')
    .option('--with-token', 'also create an API token and print it; it is not shown again')
    .action(
      inSession<NewUser>(io, async ({ client, show }, { role, email, withToken }, [name = '']) => {
        const made = await client.call('createUser', {
          ...{ name, role },
          ...(email !== undefined && { email }),
          ...(withToken === true && { with_api_token: true }),
        });
        show(made, ({ id, api_token }) => {
          say(io, id);
          if (api_token !== undefined) say(io, api_token);
        });
      }),
    );
  group
    .command('set-role')
    .description('change the role of a user; a lower one applies to their tokens too')
    .argument('<user>', 'their name or id')
    .argument('<role>', ROLES.join(', ').toLowerCase(), roleOf)
    .action(
      inSession(io, async ({ client }, _options, [name = '', role = '']) => {
        await client.call('updateUser', { user_id: await userId(client, name), role: roleOf(role) });
      }),
    );
  group
    .command('remove')
    .description('remove a user, and revoke their tokens')
    .argument('<user>', 'their name or id')
    .action(
      inSession(io, async ({ client }, _options, [name = '']) => {
        await client.call('deleteUser', { user_id: await userId(client, name) });
      }),
    );
}

function roleOption(description: string): Option {
  return new Option('--role <role>', `${description}: ${ROLES.join(', ').toLowerCase()}`).argParser(roleOf);
}

function roleOf(text: string): Role {
  return wordOf(ROLES, text);
}

function addScope(text: string, before: TokenScope[] = []): TokenScope[] {
  return [...before, wordOf(TOKEN_SCOPES, text)];
}
