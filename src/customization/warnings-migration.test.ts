// Migration 0027 converts inspections that older versions stored.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';

const MIGRATION = new URL('../../migrations/0027_customization_warnings.sql', import.meta.url);

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
});
afterAll(() => database.drop());

test('sentences become warnings with codes, and defaults of users are no longer declared', async () => {
  const warnings = [
    '/etc/a key.pem holds a private key, which everyone who can pull the image will have',
    'extended attributes (capabilities, labels) are left out',
    '/usr/bin/su2 loses its setuid, setgid or sticky bit; declare its mode under files to keep it',
    'rootfs/usr/local/share/ca-certificates/x.crt is a link and is not added to the trust store',
    'the certificate of CN=later is not valid yet',
    "the certificate of CN=leaf is not a certificate authority's",
  ];
  const users = [
    { name: 'plain', uid: 5, gid: 5, home: '/nonexistent', shell: '/usr/sbin/nologin', groups: ['adm'] },
    { name: 'full', uid: 6, gid: 7, home: '/data', shell: '/bin/sh', groups: [] },
  ];
  const older = { listing: 'sha256:00', declaration: { packages: ['curl'], users }, warnings };
  const quiet = { listing: 'sha256:11', declaration: { packages: [], users: [] }, warnings: [] };
  await database.pool.query('create table customization_versions (version int, inspection jsonb not null)');
  await database.pool.query('insert into customization_versions values (1, $1), (2, $2)', [older, quiet]);
  await database.pool.query(readFileSync(MIGRATION, 'utf8'));
  const { rows } = await database.pool.query('select inspection from customization_versions order by version');
  expect(rows.map(({ inspection }) => inspection)).toEqual([
    {
      listing: 'sha256:00',
      declaration: {
        packages: ['curl'],
        users: [{ name: 'plain', uid: 5, groups: ['adm'] }, users[1]],
      },
      warnings: [
        {
          code: 'PRIVATE_KEY_KEPT',
          message: 'The file holds a private key, which everyone who can pull the image will have.',
          path: 'rootfs/etc/a key.pem',
        },
        { code: 'ATTRIBUTES_LOST', message: 'Extended attributes are left out.' },
        {
          code: 'SPECIAL_MODE_LOST',
          message: 'It loses its setuid, setgid or sticky bit; declare its mode under files to keep it.',
          path: 'rootfs/usr/bin/su2',
        },
        {
          code: 'CERTIFICATE_SKIPPED',
          message: 'The file is a link and is not added to the trust store.',
          path: 'rootfs/usr/local/share/ca-certificates/x.crt',
        },
        { code: 'CERTIFICATE_NOT_YET_VALID', message: 'The certificate of CN=later is not valid yet.' },
        {
          code: 'CERTIFICATE_NOT_AUTHORITY',
          message: "The certificate of CN=leaf is not a certificate authority's.",
        },
      ],
      more_warnings_count: 0,
    },
    { ...quiet, more_warnings_count: 0 },
  ]);
});
