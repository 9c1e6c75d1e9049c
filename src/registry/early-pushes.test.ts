// Clients push and delete at the same time as the first release to a repository, in every order.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { digestAt, indexOf, pushRelease } from '../../test/registry-release.ts';
import { REFERRER_BLOB_BYTES_MAX } from './blobs.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

const VERSION = '1.6.18-debian-12-r5';
const released = testImage('released');
const own = testImage('own');

const LARGE = Buffer.alloc(REFERRER_BLOB_BYTES_MAX + 1);

/** Resolves when this many statements wait for a lock in the database. */
async function untilWaiting(count: number): Promise<void> {
  const waiting = async () =>
    (
      await registry.database.pool.query(
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
    ).rows[0].n;
  await expect.poll(waiting, { timeout: 10_000 }).toBe(count);
}

describe('a push that began before the release', () => {
  test('is rejected if it ends after the release', async () => {
    const name = 'acme/debian-12/early';
    await client.pushImage(name, 'latest', own);
    const at = await client.begin(name);
    expect((await client.call('PATCH', at, { body: LARGE })).status).toBe(202);
    const other = testImage('other');
    await client.pushBlob(name, other.config);
    await client.pushBlob(name, other.layer);
    await pushRelease(registry, { name, image: released, tags: [VERSION, 'latest'] });
    const closed = await client.call('PUT', `${at}?digest=${digestOf(LARGE)}`);
    expect([closed.status, await codeOf(closed)]).toEqual([403, 'DENIED']);
    const put = await client.putManifest(name, 'latest', other.manifest);
    expect([put.status, await codeOf(put)]).toEqual([403, 'DENIED']);
    expect((await client.call('DELETE', `/v2/${name}/manifests/${own.digest}`)).status).toBe(403);
    expect(await digestAt(client, name, 'latest')).toBe(digestOf(indexOf(released)));
  });

  test('delays the release if it already writes, and the release then moves the tag', async () => {
    const name = 'acme/debian-12/during';
    await client.pushImage(name, own.digest, own);
    const other = testImage('during');
    await client.pushBlob(name, other.config);
    await client.pushBlob(name, other.layer);
    // Stops the statement of the client between two steps: it has locked the repository, but has not written its tag.
    const holder = await registry.database.pool.connect();
    await holder.query('begin');
    await holder.query(
      `insert into content_uses (digest, kind, id) select $1, 'repository', id from repositories where name = $2`,
      [other.digest, name],
    );
    const pushing = client.putManifest(name, 'latest', other.manifest);
    await untilWaiting(1);
    const releasing = pushRelease(registry, { name, image: released, tags: [VERSION, 'latest'] });
    await untilWaiting(2);
    await holder.query('rollback');
    holder.release();
    expect((await pushing).status).toBe(201);
    await releasing;
    expect(await digestAt(client, name, 'latest')).toBe(digestOf(indexOf(released)));
  });

  test('waits for a release that is being recorded, and is then rejected', async () => {
    const name = 'acme/debian-12/recorded';
    await client.pushImage('acme/own', 'v1', own);
    await client.pushImage(name, 'latest', own);
    const recording = await registry.database.pool.connect();
    await recording.query('begin');
    await recording.query('update repositories set larder_since = now() where name = $1', [name]);
    const pushing = [
      client.putManifest(name, 'latest', own.manifest),
      client.call('DELETE', `/v2/${name}/manifests/latest`),
      client.call('DELETE', `/v2/${name}/manifests/${own.digest}`),
      client.call('DELETE', `/v2/${name}/blobs/${digestOf(own.layer)}`),
      client.call('POST', `/v2/${name}/blobs/uploads/?mount=${digestOf(own.layer)}&from=acme/own`),
    ];
    await untilWaiting(pushing.length);
    await recording.query('commit');
    recording.release();
    expect((await Promise.all(pushing)).map(({ status }) => status)).toEqual(pushing.map(() => 403));
    expect(await digestAt(client, name, 'latest')).toBe(own.digest);
  });

  test('never changes the tags and the content of the release, in any order', async () => {
    for (let round = 0; round < 15; round += 1) {
      const name = `acme/debian-12/any-${round}`;
      // The client also pushes the image of the release, so that its deletes below concern content of the release.
      await client.pushImage(name, 'latest', released);
      await client.pushImage(name, 'own', own);
      const answers = await Promise.all([
        pushRelease(registry, { name, image: released, tags: [VERSION, 'latest'] }).then(() => 201),
        ...[
          client.putManifest(name, 'latest', own.manifest),
          client.call('DELETE', `/v2/${name}/manifests/${released.digest}`),
          client.call('DELETE', `/v2/${name}/manifests/latest`),
          client.call('DELETE', `/v2/${name}/blobs/${digestOf(released.layer)}`),
        ].map(async (answer) => (await answer).status),
      ]);
      expect(answers.filter((status) => ![201, 202, 403, 404, 405].includes(status))).toEqual([]);
      expect(await digestAt(client, name, 'latest')).toBe(digestOf(indexOf(released)));
      expect(await digestAt(client, name, VERSION)).toBe(digestOf(indexOf(released)));
      expect(await digestAt(client, name, released.digest)).toBe(released.digest);
      const layer = await client.call('GET', `/v2/${name}/blobs/${digestOf(released.layer)}`);
      expect(layer.status).toBe(200);
      const uses = await registry.database.pool.query(
        `select digest from content_uses u join repositories r on r.id::text = u.id where r.name = $1 and u.digest = any($2)`,
        [name, [digestOf(released.layer), digestOf(released.config), released.digest, digestOf(indexOf(released))]],
      );
      expect(uses.rows).toHaveLength(4);
    }
  }, 60_000);
});
