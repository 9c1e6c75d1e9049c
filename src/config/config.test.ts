// The environment variables: defaults, misspelled names, and one error that lists all faults.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError, childEnvironment, readConfig } from './config.ts';
import { OIDC_SETTINGS } from './oidc-settings.ts';
import type { ConfigViolation, Environment } from './read-settings.ts';
import { GENERAL_SETTINGS } from './settings.ts';

function violationsOf(environment: Environment): readonly ConfigViolation[] {
  try {
    readConfig(environment, '/srv');
  } catch (error) {
    if (error instanceof ConfigError) return error.violations;
    throw error;
  }
  return [];
}

describe('the mail server', () => {
  const from = 'Larder <larder@example.org>';
  const smtpOf = (url: string, sender = from) =>
    readConfig({ LARDER_SMTP_URL: url, LARDER_SMTP_FROM: sender }, '/srv').notifications.smtp;

  test.each(['smtp://user:p%40ss@mail.example.org:587', 'smtps://mail.example.org', 'smtp://[::1]:25/'])(
    'can be %s',
    (url) => {
      expect(smtpOf(url)).toEqual({ url, from });
      expect(smtpOf(url, 'larder@example.org')).toEqual({ url, from: 'larder@example.org' });
    },
  );

  test('is absent by default, and requires a sender', () => {
    expect(readConfig({ LARDER_SMTP_FROM: from }, '/srv').notifications).not.toHaveProperty('smtp');
    expect(violationsOf({ LARDER_SMTP_URL: 'smtp://m' })).toEqual([
      { name: 'LARDER_SMTP_URL', message: 'requires LARDER_SMTP_FROM' },
    ]);
  });

  test.each([
    'http://mail.example.org',
    'smtp:mail',
    'smtp://s3cret@mail.example.org/inbox',
    'smtp://u:s3cret@mail.example.org?tls=no',
    'smtp://u:%zzs3cret@mail.example.org',
    'mail.example.org',
  ])('is rejected as %s, without its password in the error', (url) => {
    const [violation, ...more] = violationsOf({ LARDER_SMTP_URL: url, LARDER_SMTP_FROM: from });
    expect([violation?.name, more]).toEqual(['LARDER_SMTP_URL', []]);
    expect(violation?.message).not.toContain('s3cret');
  });

  test.each(['larder', 'a@b, c@d', 'Larder <a@b>\r\nBcc: x@y', '<a@b>'])('is rejected with the sender %j', (sender) => {
    const violations = violationsOf({ LARDER_SMTP_URL: 'smtp://m', LARDER_SMTP_FROM: sender });
    expect(violations.map(({ name }) => name)).toEqual(['LARDER_SMTP_FROM']);
  });
});

describe('the identity provider', () => {
  const NEEDED = {
    LARDER_OIDC_ISSUER: 'https://login.example.org/realms/staff',
    LARDER_OIDC_CLIENT_ID: 'larder',
    LARDER_PUBLIC_URL: 'https://larder.example.org',
  };
  const namesOf = (environment: Environment) => violationsOf(environment).map(({ name }) => name);

  test('is absent by default, and requires a client id and the public URL', () => {
    expect(readConfig({}, '/srv')).not.toHaveProperty('oidc');
    expect(readConfig(NEEDED, '/srv').oidc).toEqual({
      ...{ issuer: NEEDED.LARDER_OIDC_ISSUER, clientId: 'larder', scopes: ['openid', 'email', 'profile'] },
      ...{ roleValues: {}, emailDomains: [] },
    });
    expect(violationsOf({ LARDER_OIDC_ISSUER: NEEDED.LARDER_OIDC_ISSUER })).toEqual([
      { name: 'LARDER_OIDC_ISSUER', message: 'requires LARDER_OIDC_CLIENT_ID' },
      { name: 'LARDER_OIDC_ISSUER', message: 'requires LARDER_PUBLIC_URL' },
    ]);
    expect(violationsOf({ LARDER_OIDC_DEFAULT_ROLE: 'VIEWER' })).toEqual([
      { name: 'LARDER_OIDC_DEFAULT_ROLE', message: 'requires LARDER_OIDC_ISSUER' },
    ]);
  });

  test('has all its settings', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'larder-config-'));
    await writeFile(join(folder, 'secret'), ' s3cret\n');
    const { oidc } = readConfig(
      {
        ...NEEDED,
        LARDER_OIDC_CLIENT_SECRET_FILE: 'secret',
        LARDER_OIDC_SCOPES: 'email groups',
        LARDER_OIDC_DEFAULT_ROLE: 'viewer',
        LARDER_OIDC_ROLE_CLAIM: 'realm_access.roles',
        LARDER_OIDC_ROLES: 'OWNER=admins, EDITOR=cn=devs,editor=testers',
        LARDER_OIDC_ORGANIZATION: 'acme',
        LARDER_OIDC_ORGANIZATION_CLAIM: 'tenant',
        LARDER_OIDC_EMAIL_DOMAINS: 'Example.org, example.com',
      },
      folder,
    );
    await rm(folder, { recursive: true });
    expect(oidc).toMatchObject({
      ...{ clientSecret: 's3cret', scopes: ['openid', 'email', 'groups'], defaultRole: 'VIEWER' },
      ...{ roleClaim: 'realm_access.roles', roleValues: { OWNER: ['admins'], EDITOR: ['cn=devs', 'testers'] } },
      ...{ organization: 'acme', organizationClaim: 'tenant', emailDomains: ['example.org', 'example.com'] },
    });
  });

  test.each([
    ['LARDER_OIDC_ISSUER', 'http://login.example.org'],
    ['LARDER_OIDC_ISSUER', 'https://u:s3cret@login.example.org'],
    ['LARDER_OIDC_ISSUER', 'https://login.example.org/?x=s3cret'],
    ['LARDER_OIDC_ISSUER', 'login.example.org'],
    ['LARDER_OIDC_CLIENT_SECRET_FILE', '/nowhere/s3cret-file'],
    ['LARDER_OIDC_DEFAULT_ROLE', 'ADMIN'],
    ['LARDER_OIDC_ROLES', 'OWNER=admins'],
    ['LARDER_OIDC_EMAIL_DOMAINS', 'a@example.org'],
  ])('%s is rejected as %s, without a secret in the error', (name, value) => {
    const [violation, ...more] = violationsOf({ ...NEEDED, [name]: value });
    expect([violation?.name, more]).toEqual([name, []]);
    expect(violation?.message).not.toContain('s3cret');
  });

  test.each(['admins', 'OWNER=', 'ROOT=admins'])('roles are rejected as %s', (value) => {
    expect(namesOf({ ...NEEDED, LARDER_OIDC_ROLE_CLAIM: 'groups', LARDER_OIDC_ROLES: value })).toEqual([
      'LARDER_OIDC_ROLES',
    ]);
  });

  test('may be without TLS on this machine', () => {
    for (const host of ['127.0.0.1:9000', '[::1]', 'localhost']) {
      expect(readConfig({ ...NEEDED, LARDER_OIDC_ISSUER: `http://${host}` }, '/srv').oidc?.issuer).toContain(host);
    }
  });
});

describe('readConfig', () => {
  test('accepts an empty environment', () => {
    const config = readConfig({}, '/srv');
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      data: '/srv/.larder',
      keyFile: '/srv/.larder/installation.key',
      contentDirectory: '/srv/.larder/content',
      egressAllow: [],
      proxy: {},
      loginLimits: { perAddress: 20, perAccount: 100 },
      logLevel: 'info',
      ci: false,
    });
    expect(config).not.toHaveProperty('databaseUrl');
    expect(config).not.toHaveProperty('publicUrl');
    expect(config.workerConcurrency).toBeGreaterThanOrEqual(2);
    expect(Object.isFrozen(config) && Object.isFrozen(config.egressAllow) && Object.isFrozen(config.proxy)).toBe(true);
  });

  test('reads every setting; relative paths start at the working folder, an empty value counts as absent', () => {
    const config = readConfig(
      {
        LARDER_HOST: '[::1]',
        LARDER_PORT: '0',
        LARDER_DATA: 'data',
        LARDER_CONTENT: '/content',
        LARDER_DATABASE_URL: 'postgres://larder:s3cret@db/larder',
        LARDER_PUBLIC_URL: 'https://larder.example.org/',
        LARDER_EGRESS_ALLOW: '10.0.0.0/8, registry.internal,,',
        LARDER_WORKER_CONCURRENCY: '7',
        LARDER_FAILED_LOGINS_PER_ADDRESS: '5',
        LARDER_FAILED_LOGINS_PER_ACCOUNT: '50',
        LARDER_LOG_LEVEL: 'DEBUG',
        LARDER_KEY_FILE: '',
        LARDER_FIRST_TOKEN_FILE: 'first.token',
        LARDER_METRICS_PORT: '9464',
        LARDER_TLS_CERT: 'tls/cert.pem',
        LARDER_TLS_KEY: '/etc/key.pem',
        LARDER_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
        LARDER_CORS_ORIGINS: 'https://catalog.example.org,http://localhost:5173',
        HTTPS_PROXY: 'http://proxy:3128',
        no_proxy: 'localhost',
        CI: 'true',
      },
      '/srv',
    );
    expect(config).toMatchObject({
      host: '::1',
      port: 0,
      data: '/srv/data',
      keyFile: '/srv/data/installation.key',
      firstTokenFile: '/srv/first.token',
      contentDirectory: '/content',
      databaseUrl: 'postgres://larder:s3cret@db/larder',
      publicUrl: 'https://larder.example.org',
      egressAllow: ['10.0.0.0/8', 'registry.internal'],
      metrics: { host: '127.0.0.1', port: 9464 },
      tls: { cert: '/srv/tls/cert.pem', key: '/etc/key.pem' },
      trustedProxies: ['10.0.0.0/8', '::1'],
      corsOrigins: ['https://catalog.example.org', 'http://localhost:5173'],
      workerConcurrency: 7,
      loginLimits: { perAddress: 5, perAccount: 50 },
      logLevel: 'debug',
      proxy: { https_proxy: 'http://proxy:3128', no_proxy: 'localhost' },
      ci: true,
    });
  });

  test.each([
    ['sslmode=require', 'sslmode=verify-full'],
    [
      'application_name=x&sslmode=verify-ca&sslrootcert=/ca.pem',
      'application_name=x&sslmode=verify-full&sslrootcert=/ca.pem',
    ],
    ['sslmode=no-verify', 'sslmode=no-verify'],
    ['sslmode=require&uselibpqcompat=true', 'sslmode=require&uselibpqcompat=true'],
  ])('reads a database URL with %s as one with %s', (given, read) => {
    const url = 'postgresql://larder:p%40ss@db/larder';
    expect(readConfig({ LARDER_DATABASE_URL: `${url}?${given}` }).databaseUrl).toBe(`${url}?${read}`);
  });

  test('reports all violations at once, each with its variable', () => {
    const names = violationsOf({
      LARDER_HOST: '127.0.0.1:8080',
      LARDER_PORT: '65536',
      LARDER_DATABASE_URL: 'mysql://root:hunter2@db/x',
      LARDER_PUBLIC_URL: 'https://larder.example.org/catalog',
      LARDER_WORKER_CONCURRENCY: '0',
      LARDER_LOG_LEVEL: 'loud',
      LARDER_DATABSE_URL: 'postgres://db/x',
      http_proxy: 'proxy:3128',
    });
    expect(names.map(({ name }) => name).sort()).toEqual([
      'LARDER_DATABASE_URL',
      'LARDER_DATABSE_URL',
      'LARDER_HOST',
      'LARDER_LOG_LEVEL',
      'LARDER_PORT',
      'LARDER_PUBLIC_URL',
      'LARDER_WORKER_CONCURRENCY',
      'http_proxy',
    ]);
    expect(JSON.stringify(names)).not.toContain('hunter2');
  });

  test.each([
    ['LARDER_DATABSE_URL', 'LARDER_DATABASE_URL'],
    ['LARDER_LOGLEVEL', 'LARDER_LOG_LEVEL'],
    ['LARDER_OIDC_ISSUR', 'LARDER_OIDC_ISSUER'],
    ['LARDER_TOKENS', 'LARDER_TOKEN'],
  ])('%s is rejected with the nearest name, %s', (name, nearest) => {
    expect(violationsOf({ [name]: 'x' })).toEqual([{ name, message: `is not a setting; did you mean ${nearest}?` }]);
  });

  test.each(Object.keys({ ...GENERAL_SETTINGS, ...OIDC_SETTINGS }))('%s: no error repeats the value', (name) => {
    for (const value of ['s3cret', 'a b/s3cret,', 'https://s3cret:s3cret@x/s3cret?s3cret#s3cret', '10.0.0.0/s3cret']) {
      expect(JSON.stringify(violationsOf({ [name]: value }))).not.toContain('s3cret');
    }
  });

  test.each([
    [{ LARDER_PORT: '8o80' }, 'LARDER_PORT is not a whole number; expected a whole number from 0 to 65535'],
    [{ LARDER_PORT: '65536' }, 'LARDER_PORT is more than 65535; expected a whole number from 0 to 65535'],
    [{ LARDER_AUDIT_DAYS: '0' }, 'LARDER_AUDIT_DAYS is less than 1; expected a whole number from 1 to 36500'],
    [
      { LARDER_PUBLIC_URL: 'https://larder.example.org/catalog' },
      'LARDER_PUBLIC_URL contains a path; expected a URL like https://larder.example.org:8443, without a path',
    ],
    [
      { http_proxy: 'proxy:3128' },
      'http_proxy does not begin with http:// or https://; expected a URL like http://proxy.example.org:3128',
    ],
    [
      { LARDER_HOST: '127.0.0.1:8080' },
      'LARDER_HOST contains a port; expected an IP address (127.0.0.1, ::1) or a host name, without a port',
    ],
  ])('reports the name, the fault and the expected value of %o', (environment, message) => {
    expect(violationsOf(environment).map((one) => `${one.name} ${one.message}`)).toEqual([message]);
  });

  test.each(['8o80', '-1', '1.5', '1e3', '0x50'])('rejects the port %s', (port) => {
    expect(violationsOf({ LARDER_PORT: port })).toHaveLength(1);
  });

  test.each(['::', '0.0.0.0', 'localhost', 'larder_1.internal'])('accepts the host %s', (host) => {
    expect(readConfig({ LARDER_HOST: host }).host).toBe(host);
  });

  test.each(['http://x', '[localhost]', 'a b', '-x'])('rejects the host %s', (host) => {
    expect(violationsOf({ LARDER_HOST: host })).toHaveLength(1);
  });

  test.each(['ftp://x', 'https://u:p@x', 'https://x/?a=1', 'x'])('rejects the public URL %s', (url) => {
    expect(violationsOf({ LARDER_PUBLIC_URL: url })).toHaveLength(1);
  });
});

describe('settings of the server', () => {
  test.each([
    [{ LARDER_TLS_CERT: 'c' }, ['LARDER_TLS_CERT requires LARDER_TLS_KEY']],
    [{ LARDER_TLS_KEY: 'k' }, ['LARDER_TLS_KEY requires LARDER_TLS_CERT']],
    [
      { LARDER_TLS_CERT: 'c', LARDER_TLS_KEY: 'k', LARDER_PUBLIC_URL: 'http://x' },
      ['LARDER_PUBLIC_URL must begin with https:// when LARDER_TLS_CERT is set'],
    ],
    [
      { LARDER_TRUSTED_PROXIES: '10.0.0.0/8,0.0.0.0/0' },
      [
        'LARDER_TRUSTED_PROXIES has a fault: item 2 contains every address, so that any client could claim any address; expected addresses and networks like 10.0.0.0/8, separated by commas',
      ],
    ],
  ])('%o: %s', (environment, messages) => {
    expect(violationsOf(environment).map(({ name, message }) => `${name} ${message}`)).toEqual(messages);
  });

  test.each(['proxy.internal', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/x', 'all', '*'])(
    'the network %s is rejected',
    (text) => {
      expect(violationsOf({ LARDER_TRUSTED_PROXIES: text })).toHaveLength(1);
    },
  );

  test.each(['*', 'https://x/', 'x', 'https://x/path', 'ftp://x', 'null'])('the origin %s is rejected', (text) => {
    expect(violationsOf({ LARDER_CORS_ORIGINS: text })).toHaveLength(1);
  });
});

test('a child process gets the database URL of its parent', () => {
  const environment = childEnvironment(readConfig({}, '/srv'), { databaseUrl: 'postgresql://x/y' });
  expect(environment).toMatchObject({ LARDER_DATA: '/srv/.larder', LARDER_DATABASE_URL: 'postgresql://x/y' });
  expect(environment['PATH']).toBeDefined();
});
