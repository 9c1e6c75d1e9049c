// Requests that attack the parsers of a running server. Each gets an answer with the cause, and the server continues to serve
// other requests.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ground, openSharesGround, type Tenant } from './shares-ground.ts';

/**
 * The longest allowed wait of another client. It is five times the measured wait: on a busy machine, another client waited at
 * most 0.6 s for `/livez`.
 */
const WAIT_MS_MAX = 3_000;

let ground: Ground;
let acme: Tenant;
let rival: Tenant;
beforeAll(async () => {
  ground = await openSharesGround();
  [acme, rival] = ground.tenants;
});
afterAll(() => ground.close());

const part = (name: string, content = '', more = '') =>
  `--b\r\n${more}content-disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`;
const BOUNDARIES = '--b\r\n'.repeat(4_000_000);
const FORM = 'multipart/form-data; boundary=b';
const HEADERS = Array.from({ length: 5_000 }, (_, index) => `x-${index}: y\r\n`).join('');

/**
 * Sends an upload. Returns its violations, and the longest time that another client had to wait for an answer during the
 * upload.
 */
async function upload(body: string, type: string) {
  const sent = ground.ask('POST', acme.uploads, { authorization: acme.api, headers: { 'content-type': type }, body });
  const begin = performance.now();
  const beside = await ground.ask('GET', '/livez', { from: '127.0.0.2' });
  const waitedMs = performance.now() - begin;
  const { status, body: answer } = await sent;
  return { status, beside: beside.status, waitedMs, violations: JSON.parse(answer).violations };
}

describe('an attacker sends a form', { timeout: 60_000 }, () => {
  test.each<[string, string, string, object]>([
    [
      'of 5,000 parts',
      Array.from({ length: 5_000 }, (_, index) => part(`p${index}`)).join(''),
      FORM,
      { field: 'body', message: expect.stringMatching(/^It should have at most \d+ parts\.$/) },
    ],
    [
      'of four million boundaries',
      BOUNDARIES,
      FORM,
      { field: 'body', message: expect.stringMatching(/^It should have at most \d+ parts\.$/) },
    ],
    [
      'whose parts never end',
      part('name', 'x'),
      FORM,
      { field: 'body', message: 'It should be complete multipart/form-data with a boundary.' },
    ],
    [
      'without a boundary',
      'x',
      'multipart/form-data',
      { field: 'body', message: 'It should be complete multipart/form-data with a boundary.' },
    ],
    [
      'with a boundary of 5,000 characters',
      'x',
      `multipart/form-data; boundary=${'b'.repeat(5_000)}`,
      { field: 'body', message: 'It should be complete multipart/form-data with a boundary.' },
    ],
    [
      'with 5,000 header lines of a part',
      `${part('name', 'x', HEADERS)}--b--\r\n`,
      FORM,
      { field: 'file', message: 'It is required.' },
    ],
    [
      'with a field that is a prototype',
      `${part('__proto__', '{}')}--b--\r\n`,
      FORM,
      { field: 'body', message: 'The name of a part is not a valid field name.' },
    ],
    [
      'with a form in a form',
      `--b\r\ncontent-disposition: form-data; name="file"\r\ncontent-type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n`,
      FORM,
      { field: 'file', message: 'this is not a gzip file: pack the folder with «tar czf»' },
    ],
    [
      'with a field of nested arrays',
      `${part('filter', '['.repeat(30_000))}--b--\r\n`,
      FORM,
      { field: 'filter', message: 'It should be UTF-8 of at most 16 KiB.' },
    ],
  ])('%s', async (_what, body, type, violation) => {
    const { status, beside, waitedMs, violations } = await upload(body, type);
    expect([status, beside]).toEqual([400, 200]);
    expect(violations).toContainEqual(violation);
    expect(waitedMs).toBeLessThan(WAIT_MS_MAX);
  });
});

describe('an attacker sends a body of JSON', () => {
  const ask = (body: string) =>
    ground.ask('POST', '/v1/registries', {
      authorization: acme.api,
      headers: { 'content-type': 'application/json' },
      body,
    });

  test('nested 10,000 levels', async () => {
    expect((await ask(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`)).status).toBe(400);
  });

  test('with 5,000 unknown fields, of which 100 are listed', async () => {
    const answer = await ask(
      JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, 1]))),
    );
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).violations).toHaveLength(100);
  });

  test('larger than the limit', async () => {
    expect((await ask('['.repeat(60_000) + ']'.repeat(60_000))).status).toBe(413);
  });
});

describe('an attacker sends to the hosted registry', { timeout: 60_000 }, () => {
  const put = (body: string) =>
    ground.ask('PUT', `/v2/${acme.namespace}/x/manifests/a`, {
      authorization: acme.registry,
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body,
    });

  test.each<[string, string, RegExp]>([
    ['four million levels', '['.repeat(4_000_000), /nested deeper than 32 levels/],
    [
      'a million empty layers',
      `{"schemaVersion":2,"layers":[${'{},'.repeat(1_300_000)}{}]}`,
      /more than 100000 values/,
    ],
  ])('to take 16 manifests of %s at once', async (_what, body, reason) => {
    const sent = Array.from({ length: 16 }, () => put(body));
    const begin = performance.now();
    expect((await ground.ask('GET', '/livez', { from: '127.0.0.2' })).status).toBe(200);
    expect(performance.now() - begin).toBeLessThan(WAIT_MS_MAX);
    for (const { status, body: answer } of await Promise.all(sent)) {
      expect([status, JSON.parse(answer).errors[0]]).toEqual([
        400,
        { code: 'MANIFEST_INVALID', message: expect.stringMatching(reason) },
      ]);
    }
  });

  test('requests for content of another organization, and gets the same answers as for content that does not exist', async () => {
    const path = `/v2/${rival.namespace}/secret/blobs/uploads/`;
    expect((await ground.ask('POST', path, { authorization: rival.registry })).status).toBe(202);
    const answers = await Promise.all(
      ['secret', 'nothing'].map((name) =>
        ground.ask('GET', `/v2/${rival.namespace}/${name}/tags/list`, { authorization: acme.registry }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([404, 404]);
    expect(answers[0]?.body).toBe(answers[1]?.body);
  });
});
