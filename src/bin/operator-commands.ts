// The commands that an operator runs on the machine that reaches the database: the installation's key, and its organizations.
import { type Command, InvalidArgumentError } from 'commander';
import type { Io } from '../cli/io.ts';
import { operate } from '../cli/operate.ts';
import { clean, shortTime, tableOf } from '../cli/output.ts';

/** Adds the commands. */
export function addOperatorCommands(program: Command, io: Io): void {
  addKeys(program.command('keys').description('the installation’s key, on the machine that has its file'), io);
  addOrganizations(
    program
      .command('organizations')
      .description('list and make organizations, and set their quotas, on the machine that reaches the database'),
    io,
  );
}

function addKeys(group: Command, io: Io): void {
  group
    .command('rotate')
    .description('put a new key in front, seal every secret with it, and let a new pair sign tokens')
    .action(() => operate(async () => (await import('../keys.ts')).rotateInstallationKey(), io));
  group
    .command('drop')
    .description('take the old keys out of the file, once nothing needs them')
    .action(() => operate(async () => (await import('../keys.ts')).dropInstallationKeys(), io));
}

type Wish = { namespace?: string; owner: string; email?: string; applications?: number | null };

function addOrganizations(group: Command, io: Io): void {
  const say = (command: Command, value: unknown, people: () => string) =>
    command.optsWithGlobals<{ json?: boolean }>().json ? JSON.stringify(value, null, 2) : people();
  group
    .command('list', { isDefault: true })
    .description('list the organizations of the installation')
    .action((_options: object, command: Command) =>
      operate(async () => {
        const all = await (await import('../organizations.ts')).listOrganizationsForOperator();
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
    .description('make an organization, and print an API token of its owner, this once')
    .argument('<name>')
    .option('--namespace <namespace>', 'first part of its names in the hosted registry (default: made from the name)')
    .option('--owner <name>', 'name of its first user', 'owner')
    .option('--email <address>', 'where mail reaches its first user')
    .option('--applications <number>', 'how many applications it may have, or none for no limit', quotaOf)
    .action((name: string, { namespace, owner, email, applications }: Wish, command: Command) =>
      operate(async () => {
        const make = (await import('../organizations.ts')).createOrganizationByOperator;
        const wish = { name, namespace, owner, owner_email: email, applications_max: applications ?? undefined };
        const made = await make(wish);
        const { organization } = made;
        return say(command, made, () =>
          [
            `Organization: ${clean(organization.name)} (${organization.namespace}, ${organization.id})`,
            `API token: ${made.api_token}`,
            `It is ${clean(made.owner.name)}’s, and is shown this once.`,
          ].join('\n'),
        );
      }, io),
    );
  group
    .command('set-quota')
    .description('say how many applications an organization may have')
    .argument('<organization>', 'its namespace, name or id')
    .argument('<applications>', 'a number, or none for no limit', quotaOf)
    .action((word: string, limit: number | null) =>
      operate(async () => {
        const { name } = await (await import('../organizations.ts')).setQuotaByOperator(word, limit);
        return `${clean(name)} may have ${limit === null ? 'as many applications as it likes' : `${limit} applications at a time`}.`;
      }, io),
    );
}

/** Beyond it the API takes no limit either. */
const QUOTA = /^\d{1,6}$/;

function quotaOf(text: string): number | null {
  if (text === 'none') return null;
  if (!QUOTA.test(text)) throw new InvalidArgumentError('It should be a number below a million, or none.');
  return Number(text);
}
