// The audit trail of clients. Each manifest, tag and delete has one event.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { basic, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, type TestClient } from '../../test/registry-client.ts';
import { eventsOn, pushRelease } from '../../test/registry-release.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

const released = testImage('released');
const own = testImage('own');

describe('the audit trail of clients', () => {
  test('records who pushed and deleted which manifest, and no push of blobs alone', async () => {
    const name = 'acme/audited';
    await client.pushImage(name, 'v1', own);
    // The manifest is already there, so this push changes nothing and has no event.
    await client.putManifest(name, 'v1', own.manifest);
    await client.putManifest(name, 'v2', own.manifest);
    await client.putManifest(name, own.digest, own.manifest);
    await client.pushBlob(name, released.config);
    await client.pushBlob(name, released.layer);
    await client.putManifest(name, 'v1', released.manifest);
    await client.call('DELETE', `/v2/${name}/manifests/v2`);
    await client.call('DELETE', `/v2/${name}/manifests/v2`);
    await client.call('DELETE', `/v2/${name}/manifests/${own.digest}`);
    const layer = digestOf(own.layer);
    await client.call('DELETE', `/v2/${name}/blobs/${layer}`);
    const rows = await eventsOn(registry, name);
    expect(rows.map(({ action, subject_kind, subject_id }) => [action, subject_kind, subject_id])).toEqual([
      ['pushManifest', 'manifest', `${name}:v1@${own.digest}`],
      ['pushManifest', 'manifest', `${name}:v2@${own.digest}`],
      ['pushManifest', 'manifest', `${name}:v1@${released.digest}`],
      ['deleteTag', 'tag', `${name}:v2@${own.digest}`],
      ['deleteManifest', 'manifest', `${name}@${own.digest}`],
      ['deleteBlob', 'blob', `${name}@${layer}`],
    ]);
    const { rows: tokens } = await registry.database.pool.query(
      `select t.id as token_id, u.id as actor_id, u.name as actor_name from api_tokens t join users u on u.id = t.user_id
       where t.organization_id = $1 and t.name = 'EDITOR'`,
      [registry.acme.id],
    );
    for (const row of rows) {
      expect(row).toMatchObject({ ...tokens[0], organization_id: registry.acme.id, outcome: 'SUCCEEDED' });
      expect(row).toMatchObject({ address: '127.0.0.1', request_id: expect.stringMatching(/./) });
    }
  });

  test('records the user of a registry token', async () => {
    const name = 'acme/audited-token';
    const query = `scope=repository:${name}:pull,push`;
    const answer = await fetch(`${registry.url}/v2/token?${query}`, { headers: basic(registry.acme.tokens.OWNER) });
    const { token } = (await answer.json()) as { token: string };
    await client.pushImage(name, 'v1', own, { headers: { authorization: `Bearer ${token}` } });
    expect(await eventsOn(registry, name)).toMatchObject([{ actor_name: 'owner', action: 'pushManifest' }]);
  });

  test('is written in the transaction of the change', async () => {
    const name = 'acme/audited-once';
    await client.pushImage(name, 'v1', own);
    const { rows } = await registry.database.pool.query(
      `select e.xmin = t.xmin as together from audit_events e, repository_tags t join repositories r on r.id = t.repository_id
       where r.name = $1 and e.subject_id = $1 || ':v1@' || t.digest`,
      [name],
    );
    expect(rows).toEqual([{ together: true }]);
  });

  test('has no event of rejected requests, and none of pushes by Larder', async () => {
    const name = 'acme/containers/debian-12/memcached';
    await pushRelease(registry, { name, image: released, tags: ['latest'] });
    await client.putManifest(name, 'latest', own.manifest);
    expect(await eventsOn(registry, name)).toEqual([]);
    await client.putManifest('acme/audited-not', 'v1', own.manifest);
    expect(await eventsOn(registry, 'acme/audited-not')).toEqual([]);
  });
});
