// The commands for pipelines and requests, lists and their pages, and a server that stops answering.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';
import { openClient } from '../client/client.ts';
import type { Pipeline } from '../contract/pipeline.ts';
import type { Role } from '../contract/vocabulary.ts';
import { recordBaseImageHealth } from '../pipelines/base-image-versions.ts';
import { failPhase } from '../pipelines/phases.ts';
import { readPages } from './list.ts';
import { createProgram, runProgram } from './program.ts';
import type { Session } from './session.ts';
import { watchPipelines } from './watch.ts';

type Ran = { out: string; err: string };

let estates: TestEstates;

beforeAll(async () => {
  estates = await openTestEstates();
  await estates.api.app.listen({ host: '127.0.0.1', port: 0 });
}, 60_000);
afterAll(() => estates.api.close());

async function run(args: string[], options: { code?: number; role?: Role } = {}): Promise<Ran> {
  const { app, acme } = estates.api;
  const [out, err] = [new PassThrough(), new PassThrough()];
  const io = { out, err, in: Readable.from([]) };
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const code = await runProgram(
    createProgram(io),
    ['--url', url, '--token', acme.tokens[options.role ?? 'VIEWER'], ...args],
    io,
  );
  expect(code).toBe(options.code ?? 0);
  return { out: String(out.read() ?? ''), err: String(err.read() ?? '') };
}

test('pipelines and requests show why they wait', async () => {
  const base_image_id = estates.acme['base_image_id']?.[0] ?? '';
  await estates.catalog.request(estates.catalog.acme, ['nginx'], { base_image_id });
  const unhealthy_cause = 'registry.invalid does not resolve.';
  await estates.catalog.write((tx) => recordBaseImageHealth(tx, { base_image_id, unhealthy_cause }));
  const reason = 'The base image own cannot be read: registry.invalid does not resolve.';
  expect((await run(['pipelines', '--status', 'IN_PROGRESS'])).out).toMatch(
    new RegExp(`nginx .* waiting .* ${reason}`),
  );
  expect((await run(['requests'])).out).toMatch(new RegExp(`PENDING .* nginx .* ${reason}`));
});

test('retry makes one pipeline, and is rejected while that is in progress', async () => {
  const { catalog } = estates;
  const [application = ''] = (await catalog.request(catalog.acme, ['postgresql'])).application_ids;
  const failed = await catalog.openPipeline(application);
  const fault = { pipeline_id: failed, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
  await catalog.write((tx) => failPhase(tx, fault));
  const { out, err } = await run(['retry', failed], { role: 'EDITOR' });
  expect([out.trim(), err]).toEqual([await catalog.openPipeline(application), '']);
  const again = await run(['retry', failed], { role: 'EDITOR', code: 1 });
  const wait = 'Wait for its end, then retry if that is still needed.';
  expect(again.err).toMatch(
    new RegExp(`^The pipeline ${out.trim()} of the application is still in progress\\. ${wait}\n`),
  );
});

test('the settings of the catalog are shown and changed', async () => {
  expect((await run(['settings'])).out).toMatch(/unverified images +DEFAULT\nare released +yes/);
  const changed = await run(['settings', '--unverified-images', 'FORBIDDEN'], { role: 'OWNER' });
  expect(changed.out).toMatch(/unverified images +FORBIDDEN\nare released +no/);
  const wrong = await run(['settings', '--unverified-images', 'maybe'], { role: 'OWNER', code: 2 });
  expect(wrong.err).toContain('Allowed choices are DEFAULT, ALLOWED, FORBIDDEN');
  expect((await run(['releases'])).out).toMatch(/VERIFIED[^\n]*\n.* yes /);
});

describe('a list', () => {
  test('says on standard error how many of its items are shown', async () => {
    const { catalog } = estates;
    const open: Pipeline[] = JSON.parse((await run(['pipelines', '--status', 'in-progress', '--json'])).out);
    let pipeline_id = open.find(({ product }) => product.key === 'postgresql')?.id ?? '';
    while ((await totalOf('pipelines')) <= 20) {
      const fault = { pipeline_id, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
      await catalog.write((tx) => failPhase(tx, fault));
      pipeline_id = (await run(['retry', pipeline_id], { role: 'EDITOR' })).out.trim();
    }
    const total = await totalOf('pipelines');
    const first = await run(['pipelines']);
    expect(first.err).toBe(`Showing 20 of ${total}; --page 2 shows the next page, --all shows everything.\n`);
    const last = await run(['pipelines', 'list', '--page', '2', '--json']);
    expect(JSON.parse(last.out)).toHaveLength(total - 20);
    expect(last.err).toBe(`Showing ${total - 20} of ${total}; this is page 2 of 2, --all shows everything.\n`);
    const all = await run(['pipelines', '--all', '--json']);
    expect([JSON.parse(all.out).length, all.err]).toEqual([total, '']);
    const both = await run(['pipelines', '--all', '--page', '2'], { code: 2 });
    expect(both.err).toContain("option '--page <number>' cannot be used with option '--all'");
    expect((await run(['pipelines', '--page', '0'], { code: 2 })).err).toContain('whole number from 1');
  });

  test('is read to its end, also if it shrinks meanwhile', async () => {
    const { acme } = estates;
    const asked: number[] = [];
    const pages = [
      { items: ['a', 'b'], total_pages: 3 },
      { items: [], total_pages: 3 },
    ];
    const read = await readPages({ all: true }, async ({ page, page_size }) => {
      asked.push(page);
      return { page, page_size, total_size: 3, ...(pages[page - 1] ?? { items: ['never'], total_pages: 3 }) };
    });
    expect([asked, read.items, read.total_size, acme['catalog_id']?.length]).toEqual([[1, 2], ['a', 'b'], 2, 1]);
  });
});

test('rejects an unknown sub-command and names the nearest one', async () => {
  const wrong = await run(['registries', 'ad'], { code: 2 });
  expect(wrong.err).toContain("error: unknown command 'ad' of registries (the nearest is 'add')");
  expect((await run(['pipelines', 'gte', 'x'], { code: 2 })).err).toContain("(the nearest is 'get')");
  expect((await run(['pipelines', 'one-by-one'], { code: 2 })).err).toContain("unknown command 'one-by-one'");
  expect((await run(['registries', 'list', 'x'], { code: 2 })).err).toContain("too many arguments for 'list'");
  const unknown = '1b671a64-40d5-491e-99b0-da01ff1f3341';
  expect((await run(['pipelines', unknown], { code: 1 })).err).toBe(
    `There is no pipeline ${unknown} that this token can see.\n`,
  );
});

test('notification providers, credentials and products are listed and shown', async () => {
  const { acme } = estates;
  const [provider = ''] = acme['provider_id'] ?? [];
  const [credential = ''] = acme['credential_id'] ?? [];
  expect((await run(['notification-providers'])).out).toContain(provider);
  expect((await run(['notification-providers', 'get', provider])).out).toMatch(/enabled +yes/);
  expect((await run(['notification-providers', 'deliveries', provider])).out).not.toBe('');
  expect((await run(['credentials'])).out).toContain(credential);
  const shown = await run(['credentials', 'get', credential, '--json']);
  expect(JSON.parse(shown.out)).toMatchObject({ id: credential, status: 'ACTIVE' });
  expect((await run(['products', '--search', 'redis'])).out).toMatch(/^redis +Redis/m);
  expect((await run(['products', 'get', 'redis'])).out).toMatch(/branches +.*7\.0/);
  for (const noun of ['notification-providers', 'credentials', 'products']) {
    const unknown = '1b671a64-40d5-491e-99b0-da01ff1f3341';
    expect((await run([noun, 'get', unknown], { code: 1 })).err).toContain(`${unknown} that this token can see`);
  }
});

describe('following pipelines', () => {
  async function follow(answers: (() => Response | undefined)[], awayMsMax?: number): Promise<string> {
    const left = [...answers];
    const server = createServer((request, response) => {
      const answer = left.length > 1 ? left.shift() : left[0];
      const made = answer?.();
      if (made === undefined) return void request.socket.destroy();
      response.writeHead(made.status, { 'content-type': made.headers.get('content-type') ?? 'application/json' });
      void made.text().then((text) => response.end(text));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const [out, err] = [new PassThrough(), new PassThrough()];
    const client = openClient({ url });
    const session = { io: { out, err, in: Readable.from([]) }, url, client } as unknown as Session;
    try {
      const ask = async () => {
        const found = await client.send({ method: 'GET', path: '/' });
        return (await found.json()) as { items: Pipeline[] };
      };
      await watchPipelines(session, ask, awayMsMax);
    } catch (error) {
      err.write(`${error instanceof Error ? error.name : ''}\n`);
    } finally {
      server.close();
      server.closeAllConnections();
    }
    return String(err.read() ?? '');
  }

  const token = () => {
    const words = { id_token: null, token_type: 'bearer', scope: 'API', refresh_token: 'y' };
    return Response.json({ ...words, access_token: 'x', expires_in: 1800 });
  };
  const none = () => Response.json({ items: [] });
  const page = () =>
    new Response('<html>Bad gateway</html>', { status: 502, headers: { 'content-type': 'text/html' } });
  const rejected = () => Response.json({ type: '/problems/forbidden', title: 'No' }, { status: 403 });

  test('continues after a cut connection and a proxy’s error page', async () => {
    const said = await follow([token, () => undefined, page, none]);
    expect(said).toMatch(/There is no answer from .*Trying again for 120 s\.\n.*The server answers again\.\n$/);
  });

  test('ends after a time without answers, and at once if the server rejects the request', async () => {
    expect(await follow([token, () => undefined], 0)).toMatch(/UnreachableError\n$/);
    expect(await follow([token, rejected])).toBe('ProblemError\n');
  });
});

async function totalOf(noun: string): Promise<number> {
  return JSON.parse((await run([noun, '--all', '--json'])).out).length;
}
