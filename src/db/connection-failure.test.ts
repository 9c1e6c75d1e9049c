// Explanations of real errors of the system and of PostgreSQL that occur if a database cannot be reached.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type LookupFunction } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { explainConnection } from './connection-failure.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
}, 60_000);
afterAll(() => database.drop());

async function lineFor(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 500 });
  const error = await client.connect().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  await client.end().catch(() => {});
  return explainConnection(error, url);
}

test('explains a refused connection by address, name and socket, without the password', async () => {
  const closed = 'postgresql://larder:topsecret@127.0.0.1:1/larder';
  expect(await lineFor(closed)).toBe(
    'The database at 127.0.0.1:1 refuses connections: nothing listens there. Start it, or give another LARDER_DATABASE_URL.',
  );
  expect(await lineFor('postgresql://larder:topsecret@nowhere.invalid/larder')).toMatch(
    /^The name of the database at nowhere\.invalid:5432 (is not found|cannot be looked up)/,
  );
  expect(await lineFor('postgresql://larder@localhost/larder?host=/nowhere')).toMatch(
    /^The database at \/nowhere has no socket there\. Start it, or/,
  );
});

test('explains an error of several addresses, which has no message', async () => {
  const lookup: LookupFunction = (_name, _options, answer) =>
    answer(null, [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ]);
  const socket = connect({ host: 'both', port: 1, lookup, autoSelectFamily: true });
  const [error] = await once(socket, 'error').catch((cause: unknown) => [cause]);
  expect(error).toBeInstanceOf(AggregateError);
  expect((error as Error).message).toBe('');
  expect(explainConnection(error, 'postgresql://both:1/larder')).toMatch(/^The database at both:1 refuses connections/);
});

test('explains a server that is silent and one that closes connections', async () => {
  for (const [answer, expected] of [
    [() => {}, /does not answer/],
    ['end', /closed the connection/],
  ] as const) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      if (answer === 'end') socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(await lineFor(`postgresql://127.0.0.1:${(server.address() as AddressInfo).port}/larder`)).toMatch(expected);
    server.close();
  }
});

test('explains a rejected user and a missing database', async () => {
  const url = new URL(database.url);
  url.pathname = '/nowhere';
  expect(await lineFor(url.href)).toMatch(/does not have that database\. Create it, or give another/);
  url.pathname = new URL(database.url).pathname;
  url.username = 'nobody';
  expect(await lineFor(url.href)).toMatch(/rejects the user/);
});

test('explains a missing certificate file in the URL', async () => {
  const url = 'postgresql://127.0.0.1:1/larder?sslrootcert=/nowhere.pem';
  const error = await Promise.resolve()
    .then(() => new pg.Client({ connectionString: url }))
    .catch((cause: unknown) => cause);
  expect(explainConnection(error, url)).toBe('LARDER_DATABASE_URL names /nowhere.pem, which cannot be read (ENOENT).');
});

test('does not explain an error that does not concern the connection', () => {
  for (const error of [
    new TypeError('x is undefined'),
    Object.assign(new Error('duplicate key'), { code: '23505' }),
    'text',
  ]) {
    expect(explainConnection(error, database.url)).toBeUndefined();
  }
});
