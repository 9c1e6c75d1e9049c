// Runs the containers of the PostgreSQL chart as rendered (command, environment, volumes, user, read-only root): a primary, a synchronous replica,
// the test of the chart, and the backup.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadRecipes } from '../../src/recipes/recipe.ts';
import { type Container, startContainer } from '../container.ts';
import { sandboxMode } from '../fixtures/build.ts';
import { openProductBundle, PRODUCTS, type ProductBundle } from '../product-bundle.ts';
import { SLOW_MS } from '../redis-builds.ts';
import { type AssembledChart, assembleChart } from './assembled-chart.ts';
import { HELMS, renderChart } from './helm.ts';
import type { KubernetesObject } from './object-rules.ts';
import { dataOf, environmentOf, getContainer, writeMounts } from './rendered-pod.ts';

const [helm] = HELMS;
const reason =
  helm === undefined
    ? 'needs helm'
    : process.getuid?.() !== 0
      ? 'needs root'
      : sandboxMode.mode === 'files-only'
        ? 'needs a sandbox'
        : '';
const PORT = '17632';
const REPLICA_PORT = '17633';
/** A first start takes some seconds, and several times as long on a busy machine. */
const eventually = { timeout: 60_000, interval: 100 };
const VALUES = {
  architecture: 'replication',
  auth: {
    username: 'shop',
    database: 'goods',
    password: `a "quoted" \\ {{ 'password' }}; --`,
    metricsUsername: 'watch',
  },
  replication: { synchronousCommit: 'remote_apply', numSynchronousReplicas: 1 },
  metrics: { enabled: true, image: { repository: 'exporter' } },
  primary: {
    extendedConfiguration: 'max_connections = 33',
    initdb: { scripts: { 'goods.sql': 'create table goods (name text);' } },
  },
  backup: { enabled: true },
};

describe.skipIf(reason !== '')(`a primary and a replica ${reason}`, () => {
  let bundle: ProductBundle;
  let chart: AssembledChart;
  let directory: string;
  let objects: KubernetesObject[];
  const running: Container[] = [];

  beforeAll(async () => {
    const recipe = (await loadRecipes(PRODUCTS)).find(({ key }) => key === 'postgresql');
    if (recipe === undefined) throw new Error('products/postgresql is missing');
    directory = await mkdtemp(join(tmpdir(), 'larder-replication-'));
    chart = await assembleChart('postgresql');
    bundle = await openProductBundle(recipe);
  }, SLOW_MS);
  afterEach(async () => {
    for (const container of running.splice(0)) await container.stop();
  });
  afterAll(async () => {
    await bundle?.[Symbol.asyncDispose]();
    await chart?.[Symbol.asyncDispose]();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  async function render(values: object) {
    const set = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
    objects = await renderChart(helm?.path ?? '', chart.path, ...set);
  }
  /** Starts a container of the chart. All containers share the address and the ports of this machine. */
  async function start(kind: string, name: string, more: Record<string, string>, volumes: Record<string, string> = {}) {
    const container = getContainer(objects, kind, name);
    const { mounts, readOnlyMounts } = await writeMounts(objects, { kind, name, directory, volumes });
    const started = await startContainer(bundle, {
      environment: { ...environmentOf(objects, container), ...more },
      mounts,
      readOnlyMounts,
      uid: container.securityContext.runAsUser,
      ...(container.command && { entrypoint: container.command, command: container.args ?? [] }),
    });
    running.push(started);
    return started;
  }
  const folder = async (name: string) => await mkdtemp(join(directory, `${name}-`));

  async function expectReady(container: Container, name: string) {
    const command = getContainer(objects, 'StatefulSet', name).readinessProbe?.exec?.command ?? [];
    await expect
      .poll(async () => (await container.exec(command)).code, eventually)
      .toBe(0)
      .catch((error: Error) => {
        throw new Error(`${error.message}\n${container.output()}`);
      });
  }
  const query = async (container: Container, sql: string, port = PORT) => {
    const secret = dataOf(objects, 'Secret', 'shop-postgresql');
    const command = ['psql', '-XAtq', '-h', '127.0.0.1', '-p', port, '-U', 'shop', '-d', 'goods', '-c', sql];
    return (await container.exec(command, { PGPASSWORD: secret['password'] ?? '' })).output;
  };

  test(
    'replicate, answer the test of the chart, and are dumped',
    async () => {
      await render(VALUES);
      const ports = { POSTGRESQL_PORT_NUMBER: PORT, PGPORT: PORT };
      const primary = await start('StatefulSet', 'shop-postgresql-primary', ports, { data: await folder('primary') });
      await expectReady(primary, 'shop-postgresql-primary');
      const replicaPorts = { POSTGRESQL_PORT_NUMBER: REPLICA_PORT, PGPORT: REPLICA_PORT };
      const primaryAddress = { POSTGRESQL_MASTER_HOST: '127.0.0.1', POSTGRESQL_MASTER_PORT_NUMBER: PORT };
      const volumes = { data: await folder('replica') };
      const replica = await start(
        'StatefulSet',
        'shop-postgresql-read',
        { ...replicaPorts, ...primaryAddress },
        volumes,
      );
      await expectReady(replica, 'shop-postgresql-read');

      expect(await query(primary, "insert into goods values ('flour')")).toBe('');
      expect(await query(replica, 'select name from goods', REPLICA_PORT)).toBe('flour');
      // The replica has the primary's setting: PostgreSQL does not start a replica with a lower one.
      expect(await query(replica, 'show max_connections', REPLICA_PORT)).toBe('33');
      const metrics = dataOf(objects, 'Secret', 'shop-postgresql')['metrics-password'] ?? '';
      const size = [
        'psql',
        '-XAtq',
        '-h',
        '127.0.0.1',
        '-U',
        'watch',
        '-d',
        'goods',
        '-c',
        'select count(*) from pg_stat_replication where state is not null',
      ];
      expect((await primary.exec(size, { PGPASSWORD: metrics })).output).toBe('1');

      const asked = await start('Pod', 'shop-postgresql-test', { PGHOST: '127.0.0.1', PGPORT: PORT });
      expect([await asked.ended, asked.output()]).toEqual([0, expect.stringContaining('PostgreSQL')]);

      const dumps = await folder('dumps');
      const dump = await start(
        'CronJob',
        'shop-postgresql-pgdumpall',
        { PGHOST: '127.0.0.1', PGPORT: PORT },
        { dumps },
      );
      expect([await dump.ended, dump.output()]).toEqual([0, '']);
      const [file = '', ...others] = await readdir(dumps);
      expect(others).toEqual([]);
      expect(file).toMatch(/^pg_dumpall-\d{4}-\d\d-\d\d-\d\d-\d\d\.pgdump$/);
      const text = await readFile(join(dumps, file), 'utf8');
      expect(text).toContain('flour');
      expect(text).toContain('CREATE ROLE "shop"');
    },
    SLOW_MS,
  );

  test(
    'has settings and rules for LDAP that PostgreSQL reads as meant',
    async () => {
      const ldap = {
        enabled: true,
        server: 'ldap.example.com',
        port: 389,
        basedn: 'dc=example, dc=com',
        searchFilter: '(uid=$username)',
        bindpw: 'a "quoted" password, with # and spaces',
        tls: { enabled: true },
      };
      await render({ ldap, auth: { username: 'shop' }, audit: { logLinePrefix: "it's \\ %p " } });
      const ports = { POSTGRESQL_PORT_NUMBER: PORT, PGPORT: PORT };
      const server = await start('StatefulSet', 'shop-postgresql', ports, { data: await folder('ldap') });
      await expectReady(server, 'shop-postgresql');
      const ask = async (sql: string) => (await server.exec(['psql', '-XAtqc', sql])).output;
      expect(await ask('select error from pg_hba_file_rules where error is not null')).toBe('');
      const option = "select option from pg_hba_file_rules, unnest(options) as option where auth_method = 'ldap'";
      expect((await ask(option)).split('\n').sort()).toEqual([
        'ldapbasedn=dc=example, dc=com',
        'ldapbindpasswd=a "quoted" password, with # and spaces',
        'ldapport=389',
        // PostgreSQL's default: the whole tree.
        'ldapscope=2',
        'ldapsearchfilter=(uid=$username)',
        'ldapserver=ldap.example.com',
        'ldaptls=true',
      ]);
      expect(await ask('show log_line_prefix')).toBe("it's \\ %p");
    },
    SLOW_MS,
  );
});
