// Commands about access, and the one that can send anything.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { CommandFailed, EXIT, type Io } from '../io.ts';
import { say, sayFields, sayJson } from '../output.ts';
import { inSession } from '../session.ts';

/** Adds the commands. */
export function addAccessCommands(program: Command, io: Io): void {
  program
    .command('login')
    .description('check the token and tell whose it is')
    .action(
      inSession(io, async ({ client, url, show }) => {
        const { organization_id, name, role } = claimsOf(await client.accessToken());
        show({ url, organization_id, name, role }, (whose) => {
          sayFields(io, whose);
          say(io, `\nFor the hosted registry:  docker login ${new URL(url).host} --username larder`);
          say(io, '(the password is the API token)');
        });
      }),
    );
  program
    .command('token')
    .description('print an access token, good for half an hour')
    .action(
      inSession(io, async ({ client, show }) => {
        show({ access_token: await client.accessToken() }, ({ access_token }) => say(io, access_token));
      }),
    );
  program
    .command('api')
    .description('send any request')
    .argument('<method>', 'GET, POST, PATCH, PUT or DELETE')
    .argument('<path>', 'for example /v1/catalogs')
    .option('--data <json>', 'the body; @FILE reads a file, @- standard input')
    .option('--header <name: value>', 'a header line, for example "If-Match: TAG"; may be repeated', collectHeader, {})
    .option('--include', 'print the header lines of the answer too')
    .addHelpText('after', EXAMPLES)
    .action(
      inSession<ApiOptions>(io, async ({ client }, { data, header, include }, [method = '', path = '']) => {
        const body = data === undefined ? undefined : await dataOf(io, data);
        const response = await client.send({
          method: method.toUpperCase(),
          path: path.startsWith('/') ? path : `/${path}`,
          headers: header,
          ...(body === undefined ? {} : { body, contentType: 'application/json' }),
        });
        if (include) for (const [name, value] of response.headers) say(io, `${name}: ${value}`);
        await sayResponse(io, response);
      }),
    );
}

type ApiOptions = { data?: string; header: Record<string, string>; include?: boolean };

const EXAMPLES = `
Examples:
  larder api GET "/v1/applications-offering?product_key=redis"
  larder api POST /v1/registries --data @registry.json --header "Idempotency-Key: ticket-4711"`;

function collectHeader(line: string, before: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([!#$%&'*+.^`|~\w-]+):\s*([\t\x20-\x7e]*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('It should be like "Name: value".');
  return { ...before, [name]: value };
}

/** What the access token says, for the person; the server is who checks it. */
function claimsOf(jwt: string): Record<string, string> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as Record<string, string>;
}

async function dataOf(io: Io, data: string): Promise<string> {
  if (!data.startsWith('@')) return data;
  if (data === '@-') return await text(io.in);
  try {
    return await readFile(data.slice(1), 'utf8');
  } catch {
    throw new CommandFailed(`${data.slice(1)} cannot be read.`, EXIT.usage);
  }
}

async function sayResponse(io: Io, response: Response): Promise<void> {
  const location = response.headers.get('location');
  if (location !== null) say(io, location);
  const body = await response.text();
  if (body === '') return;
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  if (isJson) sayJson(io, JSON.parse(body));
  else io.out.write(body);
}
