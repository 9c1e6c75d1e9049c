// Access of every role and organization to every route, derived from the contract. A route answers a request with an id of
// another organization exactly like a request with an unknown id, for every role. Each route rejects exactly the roles that
// the contract does not name.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ask } from '../../test/api.ts';
import { type Estate, openTestEstates, type TestEstates } from '../../test/estate.ts';
import {
  type IdOf,
  idPlaces,
  kindOf,
  put,
  sampleBody,
  sampleForm,
  samplePath,
  sampleQuery,
  sampleSent,
  variantsOf,
} from '../../test/sample-request.ts';
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';
import { SignedUrl } from '../contract/file.ts';
import { ROLES, type Role } from '../contract/vocabulary.ts';

let estates: TestEstates;
/** The answers to the owner of the organization rival, read before the requests of acme. */
let before: Record<string, unknown>;
beforeAll(async () => {
  estates = await openTestEstates();
  before = await readAll();
}, 120_000);
afterAll(() => estates.api.close());

const table = Object.entries<EndpointDefinition>(endpoints).filter(([, { access }]) => access !== 'PUBLIC');

/**
 * Returns the first id of each kind in an estate. test/estate.ts creates estates: organizations with one resource of each
 * kind.
 */
function idIn(estate: Estate): IdOf {
  return (kind) => {
    const id = estates.shared[kind] ?? estate[kind]?.[0];
    if (id === undefined) throw new Error(`test/estate.ts creates nothing with a ${kind}`);
    return id;
  };
}

/** Returns an id of the same format to which no resource belongs. */
function unknownLike(id: string): string {
  if (id.includes('-')) return '1b671a64-40d5-491e-99b0-da01ff1f3341';
  const [prefix, hex = ''] = id.includes(':') ? [id.slice(0, 7), id.slice(7)] : ['', id];
  return prefix + 'abcdef0123456789'.repeat(4).slice(0, hex.length);
}

/** The detail names the requested id, which `answered` has replaced by ID. */
const detail = expect.stringMatching(/^There is no [^.]+\bID\b.* that is visible to you\.$/);
const NOT_FOUND = { type: '/problems/not-found', title: 'Not found', status: 404, detail };

type Asked = { path: string; role: Role; sent: Ask };

/** Returns the status and body of the answer to acme, without the requested path and id. */
async function answered({ method }: EndpointDefinition, { path, role, sent }: Asked, id: string) {
  const token = estates.api.acme.access[role];
  const response = await estates.api.ask(method, path, { token, ...sent });
  const { instance, ...body } = response.body === '' ? {} : response.json();
  if (response.statusCode >= 400) expect(instance).toBe(path.split('?', 1)[0]);
  return { status: response.statusCode, body: JSON.parse(JSON.stringify(body).replaceAll(id, 'ID')) };
}

function pathNames({ path }: EndpointDefinition): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

/** Returns acme's ids with some of them replaced. */
function withIds(replaced: Record<string, string>): IdOf {
  return (kind) => replaced[kind] ?? idIn(estates.acme)(kind);
}

function expectedOf({ access }: EndpointDefinition, role: Role, status: number): number {
  return access !== 'PUBLIC' && access.includes(role) ? status : 403;
}

async function readAll(): Promise<Record<string, unknown>> {
  const read: Record<string, unknown> = {};
  for (const [operation, endpoint] of table) {
    // Signed URLs are not compared, because they change every second.
    if (endpoint.method !== 'GET' || ('body' in endpoint.success && endpoint.success.body === SignedUrl)) continue;
    const path = samplePath(endpoint, idIn(estates.rival)) + sampleQuery(endpoint, {}, idIn(estates.rival));
    const response = await estates.api.ask('GET', path, { token: estates.api.rival.access.OWNER });
    expect([operation, response.statusCode]).toEqual([operation, 200]);
    read[operation] = response.json();
  }
  return read;
}

describe('the ids of a path', () => {
  const withPath = table.filter(([, endpoint]) => pathNames(endpoint).length > 0);

  test.each(withPath.filter(([, { method }]) => method === 'GET'))(
    '%s reads things of the own organization',
    async (_, endpoint) => {
      const path = samplePath(endpoint, idIn(estates.acme)) + sampleQuery(endpoint, {}, idIn(estates.acme));
      expect((await estates.api.ask('GET', path)).statusCode).toBe(200);
    },
  );

  test.each(withPath)('%s: one id of another organization is answered as an unknown id', async (_, endpoint) => {
    const sent = await sampleSent(endpoint, idIn(estates.acme));
    const query = sampleQuery(endpoint);
    for (const kind of pathNames(endpoint).filter((name) => estates.shared[name] === undefined)) {
      idIn(estates.rival)(kind);
      for (const foreign of estates.rival[kind] ?? []) {
        for (const role of ROLES) {
          const [theirs, nothing] = await Promise.all(
            [foreign, unknownLike(foreign)].map((id) =>
              answered(endpoint, { path: samplePath(endpoint, withIds({ [kind]: id })) + query, role, sent }, id),
            ),
          );
          expect(theirs).toEqual(nothing);
          expect(theirs?.status).toBe(expectedOf(endpoint, role, 404));
          if (theirs?.status === 404) expect(theirs.body).toEqual(NOT_FOUND);
        }
      }
    }
  });

  test.each(withPath)('%s: only ids of another organization are answered as unknown ids', async (_, endpoint) => {
    const kinds = pathNames(endpoint).filter((name) => estates.shared[name] === undefined);
    if (kinds.length < 2) return;
    const sent = await sampleSent(endpoint, idIn(estates.acme));
    for (const role of ROLES) {
      const path = samplePath(endpoint, idIn(estates.rival)) + sampleQuery(endpoint);
      const { status } = await answered(endpoint, { path, role, sent }, '-');
      expect(status).toBe(expectedOf(endpoint, role, 404));
    }
  });
});

describe('the ids of a query', () => {
  const places = table.flatMap(([operation, endpoint]) =>
    Object.entries(endpoint.query?.properties ?? {}).flatMap(([name, schema]) => {
      const kind = kindOf(name, schema);
      return kind === undefined ? [] : [{ operation, endpoint, name, kind }];
    }),
  );

  test.each(places)('$operation?$name: an id of another organization is answered as an unknown id', async (place) => {
    const { endpoint, name, kind } = place;
    if (estates.shared[kind] !== undefined) return;
    const rule = endpoint.rules?.find((one) => one.kind === 'needs' && one.field === name);
    const needed = rule?.kind === 'needs' ? { [rule.needs]: idIn(estates.acme)(rule.needs) } : {};
    idIn(estates.rival)(kind);
    for (const foreign of estates.rival[kind] ?? []) {
      const [theirs, nothing] = await Promise.all(
        [foreign, unknownLike(foreign)].map((id) => {
          const path = samplePath(endpoint, idIn(estates.acme)) + sampleQuery(endpoint, { ...needed, [name]: id });
          return answered(endpoint, { path, role: 'OWNER', sent: {} }, id);
        }),
      );
      expect(theirs).toEqual(nothing);
      // A filter by digest is not compared with rows. No item has the digest, so the list is empty.
      if (kind.endsWith('digest')) expect(theirs?.body).toMatchObject({ total_size: 0, items: [] });
      else expect(theirs?.status).toBe(400);
    }
  });
});

describe('the ids of a body', () => {
  const places = table.flatMap(([operation, endpoint]) => {
    const schemas = endpoint.multipart ? [endpoint.multipart.fields] : endpoint.body ? variantsOf(endpoint.body) : [];
    return schemas.flatMap((schema) =>
      idPlaces(schema).map((place) => ({ operation, endpoint, schema, at: place.steps.join('.'), ...place })),
    );
  });

  test.each(places)('$operation $at: an id of another organization is answered as an unknown id', async (place) => {
    const { endpoint, schema, steps, kind } = place;
    if (estates.shared[kind] !== undefined) return;
    idIn(estates.rival)(kind);
    for (const foreign of estates.rival[kind] ?? []) {
      const answers = [];
      for (const id of [foreign, unknownLike(foreign)]) {
        const body = sampleBody(schema, idIn(estates.acme));
        put(body, steps, id);
        const sent = endpoint.multipart ? await sampleForm(body) : { body };
        const path = samplePath(endpoint, idIn(estates.acme)) + sampleQuery(endpoint);
        answers.push(await answered(endpoint, { path, role: 'OWNER', sent }, id));
      }
      expect(answers[0]).toEqual(answers[1]);
      expect(answers[0]?.status).toBe(rejectedWith(endpoint));
      // The violation must be about this id, and not about another field.
      const fields = (answers[0]?.body.violations ?? []).map(({ field }: { field: string }) => field);
      if (rejectedWith(endpoint) === 400) expect(fields).toEqual([expect.stringContaining(String(steps[0]))]);
    }
  });
});

/**
 * Returns the status for an id of another organization in a query or body: 400. It is 404 if the published reference
 * documents 404 for an operation without ids in its path.
 */
function rejectedWith(endpoint: EndpointDefinition): number {
  return endpoint.problems.includes(404) && pathNames(endpoint).length === 0 ? 404 : 400;
}

describe('a role', () => {
  test.each(table)('gets 403 from %s exactly if the contract does not name it', async (_, endpoint) => {
    for (const role of ROLES) {
      // The server rejects the unknown parameter, so the request changes nothing.
      const path = `${samplePath(endpoint, idIn(estates.acme))}?no_such_parameter=x`;
      const { status } = await answered(endpoint, { path, role, sent: {} }, '-');
      expect([role, status]).toEqual([role, expectedOf(endpoint, role, 400)]);
    }
  });
});

test('these requests change no answer to the other organization', async () => {
  expect(await readAll()).toEqual(before);
});
