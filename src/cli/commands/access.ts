// Commands about access tokens, and `api`, which sends any request.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { readJson, readParts } from '../../client/answer.ts';
import { UnexpectedAnswerError } from '../../client/problem-error.ts';
import { CommandFailed, cannotRead, EXIT, type Io } from '../io.ts';
import { clean, say, sayFields, sayJson } from '../output.ts';
import { inSession } from '../session.ts';

export function addAccessCommands(program: Command, io: Io): void {
  program
    .command('login')
    .description('check the token and show its user')
    .action(
      inSession(io, async ({ client, url, show }) => {
        const { organization_id, name, role } = claimsOf(url, await client.accessToken());
        show({ url, organization_id, name, role }, (whose) => {
          sayFields(io, whose);
          say(io, `\nFor the hosted registry:  docker login ${new URL(url).host} --username larder`);
          say(io, '(the password is the API token)');
        });
      }),
    );
  program
    .command('token')
    .description('print an access token, valid for 30 minutes')
    .action(
      inSession(io, async ({ client, show }) => {
        show({ access_token: await client.accessToken() }, ({ access_token }) => say(io, access_token));
      }),
    );
  program
    .command('api')
    .description('send any request')
    .argument('<method>', METHODS.join(', '), methodOf)
    .argument('<path>', 'for example /v1/catalogs')
    .option('--data <json>', 'the body; @FILE reads a file, @- standard input')
    .option('--header <name: value>', 'a header line, for example "If-Match: TAG"; may be repeated', collectHeader, {})
    .option('--include', 'print the header lines of the answer too')
    .addHelpText('after', EXAMPLES)
    .action(
      inSession<ApiOptions>(io, async ({ client, url }, { data, header, include }, [method = '', path = '']) => {
        if (methodOf(method) === 'GET' && data !== undefined)
          throw new CommandFailed('A GET request cannot have --data.', EXIT.usage);
        const body = data === undefined ? undefined : await dataOf(io, data);
        const response = await client.send({
          method: methodOf(method),
          path: path.startsWith('/') ? path : `/${path}`,
          headers: header,
          ...(body === undefined ? {} : { body, contentType: 'application/json' }),
        });
        if (include) for (const [name, value] of response.headers) say(io, clean(`${name}: ${value}`));
        await sayResponse(io, url, response);
      }),
    );
}

type ApiOptions = { data?: string; header: Record<string, string>; include?: boolean };

const EXAMPLES = `
Examples:
  larder api GET "/v1/applications-offering?product_key=redis"
  larder api POST /v1/registries --data @registry.json --header "Idempotency-Key: ticket-4711"`;

const METHODS = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'] as const;

function methodOf(text: string): string {
  const method = METHODS.find((one) => one === text.toUpperCase());
  if (method === undefined) throw new InvalidArgumentError(`It should be one of ${METHODS.join(', ')}.`);
  return method;
}

function collectHeader(line: string, before: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([!#$%&'*+.^`|~\w-]+):\s*([\t\x20-\x7e]*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('It should be like "Name: value".');
  return { ...before, [name]: value };
}

/** Returns the claims of an access token to show them. Only the server checks its signature. Throws UnexpectedAnswerError. */
function claimsOf(url: string, jwt: string): Record<'organization_id' | 'name' | 'role', string> {
  const { organization_id, name, role } = parseClaims(jwt);
  if (typeof organization_id === 'string' && typeof name === 'string' && typeof role === 'string') {
    return { organization_id, name, role };
  }
  throw new UnexpectedAnswerError(url, 'its access token does not have the claims of Larder');
}

function parseClaims(jwt: string): Record<string, unknown> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

async function dataOf(io: Io, data: string): Promise<string> {
  if (!data.startsWith('@')) return data;
  if (data === '@-') return await text(io.in);
  try {
    return await readFile(data.slice(1), 'utf8');
  } catch (error) {
    throw new CommandFailed(cannotRead(data.slice(1), error), EXIT.usage);
  }
}

async function sayResponse(io: Io, url: string, response: Response): Promise<void> {
  const location = response.headers.get('location');
  if (location !== null) say(io, clean(location));
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  if (isJson) return sayJson(io, await readJson(url, response));
  // Writes the file in parts, because it may have any size.
  for await (const part of readParts(url, response)) if (!io.out.write(part)) await once(io.out, 'drain');
}
