// The operator's commands for keys, organizations and access. They run on a machine that can access the database.
import { type Command, InvalidArgumentError } from 'commander';
import type { Io } from '../cli/io.ts';
import { type OperatorTools, operate } from '../cli/operate.ts';
import { clean, shortTime, tableOf } from '../cli/output.ts';
import { readSecret } from '../cli/secret-input.ts';
import { addContentCommands } from './content-commands.ts';

/** Adds the commands to `larder`. */
export function addOperatorCommands(program: Command, io: Io): void {
  addKeys(program.command('keys').description('rotate the installation’s key, on the machine that has its file'), io);
  addContentCommands(
    program
      .command('content')
      .description('check or adopt the content folder, on the machine that reaches it and the database'),
    io,
  );
  addOrganizations(
    program
      .command('organizations')
      .description('list and create organizations, and set their quotas, on the machine that reaches the database'),
    io,
  );
  const users = program.commands.find((command) => command.name() === 'users');
  if (users) addSetPassword(users, io);
}

/** Returns the functions for commands that use the API, but can also run directly on the database. */
export function operatorTools(io: Io): OperatorTools {
  return {
    createToken: (request, command) =>
      operate(async () => {
        const made = await (await import('./operator-access.ts')).createTokenByOperator(request);
        const { user, organization, role, expires_at, file, api_token } = made;
        const whose = `It belongs to ${clean(user.name)} (${role}) in ${clean(organization.name)}, and expires at ${shortTime(expires_at.toISOString())} UTC.`;
        if (command.optsWithGlobals<{ json?: boolean }>().json) return JSON.stringify(made, null, 2);
        if (file !== undefined) return `The API token was written to ${file}. ${whose}`;
        io.err.write(`${whose}\n`);
        return api_token ?? '';
      }, io),
  };
}

type PasswordOptions = { organization: string; user?: string; email?: string };

function addSetPassword(users: Command, io: Io): void {
  users
    .command('set-password')
    .description(
      'set a user’s password, on the machine that reaches the database; asks for it, or reads it from standard input',
    )
    .requiredOption('--organization <organization>', 'organization of the user, by namespace, name or id')
    .option('--user <user>', 'by name, e-mail address or id (default: the only owner)')
    .option('--email <address>', 'the name to log in with (default: the current one, or the user’s e-mail address)')
    .action((options: PasswordOptions) =>
      operate(async () => {
        const set = (await import('./operator-access.ts')).setPasswordByOperator;
        const { user, organization, email } = await set(options, () => readSecret(io, 'New password'));
        return `${clean(user.name)} of ${clean(organization.name)} logs in as ${clean(email)} with the new password. All sessions of this user have ended.`;
      }, io),
    );
}

function addKeys(group: Command, io: Io): void {
  group
    .command('rotate')
    .description('add a new key, seal every secret with it, and sign tokens with a new key pair')
    .action(() => operate(async () => (await import('./keys.ts')).rotateInstallationKey(), io));
  group
    .command('drop')
    .description('remove the old keys from the file, once nothing uses them')
    .action(() => operate(async () => (await import('./keys.ts')).dropInstallationKeys(), io));
}

type OrganizationOptions = { namespace?: string; owner: string; email?: string; applications?: number | null };

function addOrganizations(group: Command, io: Io): void {
  const say = (command: Command, value: unknown, people: () => string) =>
    command.optsWithGlobals<{ json?: boolean }>().json ? JSON.stringify(value, null, 2) : people();
  group
    .command('list', { isDefault: true })
    .description('list the organizations of the installation')
    .action((_options: object, command: Command) =>
      operate(async () => {
        const all = await (await import('./organizations.ts')).listOrganizationsForOperator();
        return say(command, all, () =>
          tableOf(all, [
            ['NAME', ({ name, owns_installation }) => (owns_installation ? `${name} (owns the installation)` : name)],
            ['NAMESPACE', ({ namespace }) => namespace],
            ['APPLICATIONS', ({ application_count }) => application_count],
            ['QUOTA', ({ quotas }) => quotas.applications?.limit ?? 'none'],
            ['CREATED', ({ created_at }) => shortTime(created_at)],
            ['ID', ({ id }) => id],
          ]),
        );
      }, io),
    );
  group
    .command('create')
    .description('create an organization, and print an API token of its owner once')
    .argument('<name>')
    .option('--namespace <namespace>', 'first part of its names in the hosted registry (default: made from the name)')
    .option('--owner <name>', 'name of its first user', 'owner')
    .option('--email <address>', 'e-mail address of its first user')
    .option('--applications <number>', 'how many applications it may have, or none for no limit', quotaOf)
    .action((name: string, { namespace, owner, email, applications }: OrganizationOptions, command: Command) =>
      operate(async () => {
        const make = (await import('./organizations.ts')).createOrganizationByOperator;
        const request = { name, namespace, owner, owner_email: email, applications_max: applications ?? undefined };
        const made = await make(request);
        const { organization } = made;
        return say(command, made, () =>
          [
            `Organization: ${clean(organization.name)} (${organization.namespace}, ${organization.id})`,
            `API token: ${made.api_token}`,
            `It belongs to ${clean(made.owner.name)}, and is shown only once.`,
          ].join('\n'),
        );
      }, io),
    );
  group
    .command('set-quota')
    .description('set how many applications an organization may have')
    .argument('<organization>', 'its namespace, name or id')
    .argument('<applications>', 'a number, or none for no limit', quotaOf)
    .action((word: string, limit: number | null) =>
      operate(async () => {
        const { name } = await (await import('./organizations.ts')).setQuotaByOperator(word, limit);
        return `${clean(name)} may have ${limit === null ? 'any number of applications' : `${limit} applications at a time`}.`;
      }, io),
    );
}

/** The syntax of a quota. It has at most six digits, like the maximum in the API. */
const QUOTA = /^\d{1,6}$/;

function quotaOf(text: string): number | null {
  if (text === 'none') return null;
  if (!QUOTA.test(text)) throw new InvalidArgumentError('It should be a number below a million, or none.');
  return Number(text);
}
