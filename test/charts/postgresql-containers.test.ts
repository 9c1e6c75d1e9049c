// Runs the containers of the rendered PostgreSQL chart (command, environment, volumes, user, read-only root): a primary, a
// synchronous replica, the test of the chart, and the backup.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../container.ts';
import { SLOW_MS } from '../redis-builds.ts';
import type { KubernetesObject } from './object-rules.ts';
import { missingForCharts, openProductContainers, type ProductContainers, readMetric } from './product-containers.ts';
import { dataOf } from './rendered-pod.ts';

const reason = missingForCharts();
const PORT = '17632';
const REPLICA_PORT = '17633';
const METRICS_PORT = 17634;
/** The time limit for a container to start. This takes a second, and several times as long on a busy machine. */
const eventually = { timeout: 30_000, interval: 100 };
const VALUES = {
  architecture: 'replication',
  auth: {
    username: 'shop',
    database: 'goods',
    password: `a "quoted" \\ {{ 'password' }}; --`,
    metricsUsername: 'watch',
  },
  replication: { synchronousCommit: 'remote_apply', numSynchronousReplicas: 1 },
  metrics: { enabled: true, containerPorts: { metrics: METRICS_PORT } },
  primary: {
    extendedConfiguration: 'max_connections = 33',
    initdb: { scripts: { 'goods.sql': 'create table goods (name text);' } },
  },
  backup: { enabled: true },
};

describe.skipIf(reason !== '')(`a primary and a replica ${reason}`, () => {
  let containers: ProductContainers;
  let objects: KubernetesObject[];

  beforeAll(async () => {
    containers = await openProductContainers('postgresql', ['postgres-exporter']);
  }, SLOW_MS);
  afterEach(() => containers?.stop());
  afterAll(() => containers?.[Symbol.asyncDispose]());

  const start = async (name: string, workload: string, environment: Record<string, string>) =>
    await containers.start(name, { objects, workload, environment });
  const query = async (container: Container, sql: string, port = PORT) => {
    const secret = dataOf(objects, 'Secret', 'shop-postgresql');
    const command = ['psql', '-XAtq', '-h', '127.0.0.1', '-p', port, '-U', 'shop', '-d', 'goods', '-c', sql];
    return (await container.exec(command, { PGPASSWORD: secret['password'] ?? '' })).output;
  };

  test(
    'replicate, have metrics, answer the test of the chart, and are dumped',
    async () => {
      objects = await containers.render(VALUES);
      const ports = { POSTGRESQL_PORT_NUMBER: PORT, PGPORT: PORT };
      const primary = await start('primary', 'StatefulSet/shop-postgresql-primary', ports);
      const replica = await start('replica', 'StatefulSet/shop-postgresql-read', {
        POSTGRESQL_PORT_NUMBER: REPLICA_PORT,
        PGPORT: REPLICA_PORT,
        POSTGRESQL_MASTER_HOST: '127.0.0.1',
        POSTGRESQL_MASTER_PORT_NUMBER: PORT,
      });

      expect(await query(primary, "insert into goods values ('flour')")).toBe('');
      expect(await query(replica, 'select name from goods', REPLICA_PORT)).toBe('flour');
      // The replica must have the primary's setting, because PostgreSQL does not start a replica with a lower one.
      expect(await query(replica, 'show max_connections', REPLICA_PORT)).toBe('33');
      const metrics = dataOf(objects, 'Secret', 'shop-postgresql')['metrics-password'] ?? '';
      const count = 'select count(*) from pg_stat_replication where state is not null';
      const size = ['psql', '-XAtq', '-h', '127.0.0.1', '-U', 'watch', '-d', 'goods', '-c', count];
      expect((await primary.exec(size, { PGPASSWORD: metrics })).output).toBe('1');

      const address = { PGHOST: '127.0.0.1', PGPORT: PORT };
      await containers.start('exporter', {
        ...{ objects, workload: 'StatefulSet/shop-postgresql-primary', container: 'metrics' },
        environment: { DATA_SOURCE_URI: `127.0.0.1:${PORT}/goods?sslmode=disable` },
      });
      await expect.poll(() => readMetric(METRICS_PORT, 'pg_up'), eventually).toBe('1');

      const asked = await start('test', 'Pod/shop-postgresql-test', address);
      expect([await asked.ended, asked.output()]).toEqual([0, expect.stringContaining('PostgreSQL')]);

      const dump = await start('dump', 'CronJob/shop-postgresql-pgdumpall', address);
      expect([await dump.ended, dump.output()]).toEqual([0, '']);
      const dumps = join(containers.directory, 'dump/dumps');
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
      objects = await containers.render({ ldap, auth: { username: 'shop' }, audit: { logLinePrefix: "it's \\ %p " } });
      const ports = { POSTGRESQL_PORT_NUMBER: PORT, PGPORT: PORT };
      const server = await start('ldap', 'StatefulSet/shop-postgresql', ports);
      const ask = async (sql: string) => (await server.exec(['psql', '-XAtqc', sql])).output;
      expect(await ask('select error from pg_hba_file_rules where error is not null')).toBe('');
      const option = "select option from pg_hba_file_rules, unnest(options) as option where auth_method = 'ldap'";
      expect((await ask(option)).split('\n').sort()).toEqual([
        'ldapbasedn=dc=example, dc=com',
        'ldapbindpasswd=a "quoted" password, with # and spaces',
        'ldapport=389',
        // The default of PostgreSQL, which searches the whole tree.
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
