// The keys that sign releases. Each organization gets a key. Keys are sealed, imported, and sealed again after a rotation. A
// replaced key still signs for a time.
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import type { Input } from '../contract/endpoints.ts';
import { SIGNING_KEYS_OVERLAPPING_MAX } from '../contract/limits.ts';
import type { SigningKey } from '../contract/signing-key.ts';
import { inTransaction } from '../db/database.ts';
import { type Identity, openIdentity } from './identity.ts';
import { loadInstallationKey } from './installation-key.ts';
import { followInstallationKey } from './key-file.ts';
import { dropKeys, rotateKeys } from './key-rotation.ts';
import { createOrganization } from './organizations.ts';
import type { Principal } from './principal.ts';
import { listPublishedKeys, listSigningKeys } from './published-signing-keys.ts';
import { newReleaseKeyPair } from './release-key-pairs.ts';
import {
  createSigningKey,
  ensureReleaseKey,
  ensureReleaseKeys,
  forgetRetiredKeys,
  openSigners,
} from './release-signing-keys.ts';

let database: TestDatabase;
let folder: string;
let file: string;
let identity: Identity;
let owner: Principal;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'larder-signing-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  database = await createTestDatabase();
  file = join(mkdtempSync(join(folder, 'key-')), 'installation.key');
  identity = await start();
  owner = await makeOrganization('acme');
});
afterEach(() => database.drop());

async function start(): Promise<Identity> {
  const key = await loadInstallationKey(file, { create: true });
  return await openIdentity(database.db, followInstallationKey(file, key));
}

async function makeOrganization(namespace: string): Promise<Principal> {
  const made = await inTransaction(database.db, (tx) =>
    createOrganization(tx, { name: namespace, namespace, owner: 'jane' }),
  );
  return { organization_id: made.organization.id, user_id: made.owner.id, name: 'jane', role: 'OWNER' };
}

async function create(input: Input<'createSigningKey'> = {}): Promise<string> {
  return (await inTransaction(database.db, (tx) => createSigningKey(tx, owner, input, identity))).id;
}

async function list(): Promise<SigningKey[]> {
  return (await listSigningKeys(database.db, owner, { page: 1, page_size: 100 })).items;
}

const openAll = () => openSigners(database.db, owner.organization_id, identity);
const idsOfSigners = async () => (await openAll()).map(({ key_id }) => key_id);

/** Ends the overlap of all earlier keys, by moving the end into the past. */
async function endOverlaps(): Promise<void> {
  await database.pool.query(
    `update release_signing_keys set signs_until = now() - interval '1 second' where signs_until is not null`,
  );
}

describe('the first key', () => {
  test('is made at the next start for organizations from before', async () => {
    expect(await list()).toEqual([]);
    await start();
    const [key, ...more] = await list();
    expect(more).toEqual([]);
    expect(key).toMatchObject({ status: 'CURRENT', origin: 'GENERATED', created_by: 'Larder' });
    expect(key?.public_key_url).toBe(`/signing-keys/acme/${key?.id}.pem`);
    await start();
    expect(await list()).toHaveLength(1);
  });

  test('is made once by processes that start together, and each organization has its own', async () => {
    const rival = await makeOrganization('rival');
    await Promise.all(Array.from({ length: 5 }, () => ensureReleaseKeys(database.db, identity)));
    const [ours, theirs] = [
      await listPublishedKeys(database.db, 'acme'),
      await listPublishedKeys(database.db, 'rival'),
    ];
    expect([ours, theirs].map(({ length }) => length)).toEqual([1, 1]);
    expect(ours[0]?.id).not.toBe(theirs[0]?.id);
    const own = await listSigningKeys(database.db, rival, { page: 1, page_size: 1 });
    expect(own.items.map(({ id }) => id)).toEqual(theirs.map(({ id }) => id));
  });

  test('is made at the first signing, if nothing made it before', async () => {
    const [signer] = await openAll();
    expect((await list()).map(({ id }) => id)).toEqual([signer?.key_id]);
    await inTransaction(database.db, (tx) => ensureReleaseKey(tx, owner.organization_id, identity));
    expect(await list()).toHaveLength(1);
  });

  test('signs what its public key verifies, and its private half is nowhere in clear', async () => {
    const [signer] = await openAll();
    const [key] = await list();
    const signature = await signer?.sign(Buffer.from('release'));
    const publicKey = createPublicKey(key?.public_key ?? '');
    expect(publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    expect(verify('sha256', Buffer.from('release'), publicKey, signature ?? Buffer.of())).toBe(true);
    expect(verify('sha256', Buffer.from('relaese'), publicKey, signature ?? Buffer.of())).toBe(false);
    const rows = await database.pool.query('select * from release_signing_keys');
    expect(JSON.stringify(rows.rows)).not.toMatch(/PRIVATE/);
    expect(Buffer.from(rows.rows[0].sealed_private_key).includes('PRIVATE')).toBe(false);
  });
});

describe('another key', () => {
  test('signs from now on, and the one before beside it until the overlap ends', async () => {
    const [first] = await idsOfSigners();
    const second = await create({ overlap_days: 7 });
    expect(await idsOfSigners()).toEqual([second, first]);
    const [current, older] = await list();
    expect(current).toMatchObject({ id: second, status: 'CURRENT', created_by: 'jane' });
    expect(current?.signs_until).toBeUndefined();
    expect(older).toMatchObject({ id: first, status: 'OVERLAPPING' });
    const days = (Date.parse(older?.signs_until ?? '') - Date.parse(current?.created_at ?? '')) / 86_400_000;
    expect(days).toBeCloseTo(7, 2);
    await endOverlaps();
    expect(await idsOfSigners()).toEqual([second]);
    expect((await list()).map(({ id, status }) => [id, status])).toEqual([
      [second, 'CURRENT'],
      [first, 'RETIRED'],
    ]);
  });

  test('without an overlap ends the use of all others at once, and deletes their private halves', async () => {
    await idsOfSigners();
    await create();
    const last = await create({ overlap_days: 0 });
    expect(await idsOfSigners()).toEqual([last]);
    const { rows } = await database.pool.query(
      'select id from release_signing_keys where sealed_private_key is not null',
    );
    expect(rows).toEqual([{ id: last }]);
    expect(await listPublishedKeys(database.db, 'acme')).toHaveLength(3);
  });

  test('ends an overlap by its date; the job of each hour then deletes the private half', async () => {
    const [first = ''] = await idsOfSigners();
    const second = await create({ overlap_days: 7 });
    const held = async () => {
      const { rows } = await database.pool.query(
        'select id from release_signing_keys where sealed_private_key is not null order by created_at',
      );
      return rows.map(({ id }) => id);
    };
    await inTransaction(database.db, forgetRetiredKeys);
    expect(await held()).toEqual([first, second]);
    await endOverlaps();
    await inTransaction(database.db, forgetRetiredKeys);
    expect(await held()).toEqual([second]);
  });

  test('never makes an earlier overlap longer', async () => {
    const [first] = await idsOfSigners();
    await create({ overlap_days: 1 });
    const before = (await list()).find(({ id }) => id === first)?.signs_until;
    await create({ overlap_days: 365 });
    expect((await list()).find(({ id }) => id === first)?.signs_until).toBe(before);
  });

  test('is rejected while too many overlap, unless it ends all of them', async () => {
    await idsOfSigners();
    for (let made = 0; made < SIGNING_KEYS_OVERLAPPING_MAX; made++) await create();
    await expect(create()).rejects.toMatchObject({ code: 'LIMIT_REACHED', message: /overlap_days 0/ });
    await create({ overlap_days: 0 });
    expect(await idsOfSigners()).toHaveLength(1);
  });

  test('of two at the same time leaves one current', async () => {
    await idsOfSigners();
    await Promise.all([create(), create()]);
    expect((await list()).filter(({ status }) => status === 'CURRENT')).toHaveLength(1);
  });

  test('is rejected for a user who is no longer an owner', async () => {
    await database.pool.query(`update users set role = 'EDITOR' where id = $1`, [owner.user_id]);
    await expect(create()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('an imported key', () => {
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
  const pem = (type: 'pkcs8' | 'sec1') => ec('prime256v1').export({ type, format: 'pem' }).toString();
  const violation = (message: RegExp) => ({
    code: 'INVALID',
    violations: [{ field: 'private_key', message: expect.stringMatching(message) }],
  });

  test.each(['pkcs8', 'sec1'] as const)('in PEM as %s signs', async (type) => {
    const id = await create({ private_key: pem(type) });
    expect((await list())[0]).toMatchObject({ id, origin: 'IMPORTED', status: 'CURRENT' });
    expect((await idsOfSigners())[0]).toBe(id);
  });

  test('as openssl writes it, with its parameters before it, signs', async () => {
    const private_key = execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey']).toString();
    expect(private_key).toContain('EC PARAMETERS');
    expect((await idsOfSigners())[0]).not.toBe(await create({ private_key }));
  });

  test('that the organization has is rejected, that another has is not', async () => {
    const { private_key, id } = newReleaseKeyPair();
    await create({ private_key });
    await expect(create({ private_key })).rejects.toMatchObject({ code: 'TAKEN' });
    owner = await makeOrganization('rival');
    expect(await create({ private_key })).toBe(id);
  });

  test('is rejected with the reason, which never repeats it', async () => {
    await idsOfSigners();
    const cipher = { cipher: 'aes-256-cbc', passphrase: 'x' };
    const one = pem('pkcs8');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const rejected: [string, RegExp][] = [
      [
        ec('prime256v1')
          .export({ type: 'pkcs8', format: 'pem', ...cipher })
          .toString(),
        /^It is encrypted\./,
      ],
      [
        ec('prime256v1')
          .export({ type: 'sec1', format: 'pem', ...cipher })
          .toString(),
        /^It is encrypted\./,
      ],
      [
        '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----',
        /encrypted/,
      ],
      [ec('secp384r1').export({ type: 'pkcs8', format: 'pem' }).toString(), /not an ECDSA key on the curve P-256/],
      [rsa.toString(), /not an ECDSA key on the curve P-256/],
      [newReleaseKeyPair().public_key, /one private key in PEM/],
      [one + pem('pkcs8'), /one private key in PEM/],
      ['nothing of the kind', /one private key in PEM/],
      [one.replace(/.{20}\n-----END/, '\n-----END'), /damaged/],
      ['-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----', /damaged/],
    ];
    for (const [private_key, message] of rejected) {
      await expect(create({ private_key }), private_key.slice(0, 60)).rejects.toMatchObject(violation(message));
    }
    expect(await list()).toHaveLength(1);
  });
});

describe('a rotation of the installation’s key', () => {
  test('seals them again: they sign on after the old key is gone', async () => {
    const before = await openAll();
    await create();
    await endOverlaps();
    await create();
    await rotateKeys(database.db, file);
    await dropKeys(database.db, file);
    const fresh = await start();
    const signers = await openSigners(database.db, owner.organization_id, fresh);
    expect(signers).toHaveLength(2);
    expect(signers.map(({ key_id }) => key_id)).not.toContain(before[0]?.key_id);
    const [current] = await list();
    const signature = (await signers[0]?.sign(Buffer.from('x'))) ?? Buffer.of();
    expect(verify('sha256', Buffer.from('x'), current?.public_key ?? '', signature)).toBe(true);
  });
});
