// Log-in of people, configured like by an operator: a server with settings in its environment, and a real identity provider.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { openLog } from '../../src/log.ts';
import { startServer } from '../../src/process/serve.ts';
import { createTestDatabase } from '../database.ts';
import { logIn, openBrowser, startTestProvider } from '../oidc-provider.ts';
import { freePort } from '../service.ts';

test('a person logs in by the settings of the environment, with the name and role of the claims', async () => {
  await using ended = new AsyncDisposableStack();
  const database = await createTestDatabase();
  ended.defer(() => database.drop());
  const directory = await mkdtemp(join(tmpdir(), 'larder-sign-in-'));
  ended.defer(() => rm(directory, { recursive: true }));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const provider = await startTestProvider(`${origin}/larder/v1/sign-in/oidc/callback`);
  ended.defer(() => provider.stop());
  await writeFile(join(directory, 'secret'), `${provider.clientSecret}\n`);
  const config = readConfig({
    ...{ LARDER_PORT: String(port), LARDER_PUBLIC_URL: origin, LARDER_DATA: directory },
    ...{ LARDER_DATABASE_URL: database.url, LARDER_EGRESS_ALLOW: '127.0.0.1', LARDER_PASSWORDS: 'off' },
    LARDER_OIDC_ISSUER: provider.issuer,
    LARDER_OIDC_CLIENT_ID: provider.clientId,
    LARDER_OIDC_CLIENT_SECRET_FILE: join(directory, 'secret'),
    LARDER_OIDC_ROLE_CLAIM: 'groups',
    LARDER_OIDC_ROLES: 'EDITOR=developers,OWNER=admins',
  });
  const log = openLog({ level: 'silent', destination: { write: () => undefined } });
  const server = await startServer(config, log, () => undefined);
  ended.defer(() => server.stop());
  provider.people.set('ann', { name: 'Ann Example', groups: ['developers', 'others'] });
  const browser = openBrowser(origin);
  const begin = `${origin}/larder/v1/sign-in/oidc?return_to=/larder/v1/session`;
  const page = await logIn(browser, begin, { as: 'ann' });
  expect(JSON.parse(page.text)).toMatchObject({ user: { name: 'Ann Example' }, role: 'EDITOR' });
  const catalogs = await browser.open(`${origin}/v1/catalogs`);
  expect(JSON.parse(catalogs.text).items).toHaveLength(1);
  const ways = await browser.open(`${origin}/larder/v1/sign-in`);
  expect(JSON.parse(ways.text).items).toMatchObject([{ type: 'OIDC' }]);
}, 60_000);
