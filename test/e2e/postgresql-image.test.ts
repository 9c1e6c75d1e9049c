// The PostgreSQL image in containers: variables of compose files and charts, passwords with any characters, scripts, and
// replication.
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Container, expectReady as expectHealthy, missingForContainers } from '../container.ts';
import { SLOW_MS } from '../redis-builds.ts';
import { makeSelfSigned } from '../self-signed.ts';
import { useImage } from './image-containers.ts';

const reason = missingForContainers();
const PASSWORD = `a "quoted" \\n \\ $HOME 'password'; drop role app; -- \n:second :'line'`;
const ETC = '/usr/local/etc/postgresql';
const PRIMARY_PORT = '17532';
const REPLICA_PORT = '17533';
const OTHER_UID = 1_000_720_000;
/** How long to wait for a first start. It takes some seconds, and several times as long on a busy machine. */
const eventually = { timeout: 60_000, interval: 100 };

describe.skipIf(reason !== '')(`the PostgreSQL image ${reason}`, () => {
  const { folder, start } = useImage('postgresql');

  const expectReady = (container: Container) => expectHealthy(container, ['/usr/local/bin/postgresql-health']);

  /** Runs a statement over TCP, like a client with a password. */
  async function query(container: Container, sql: string, user = 'postgres', password = PASSWORD, database = user) {
    const { code, output } = await container.exec(
      ['sh', '-c', 'exec psql -XAtq -h 127.0.0.1 -U "$1" -d "$2" -c "$3"', 'query', user, database, sql],
      { PGPASSWORD: password },
    );
    return code === 0 ? output : `error ${code}: ${output}`;
  }

  test(
    'reads the variables of compose files, from files too, and runs scripts of both folders once',
    async () => {
      const secrets = await folder({ user: PASSWORD, admin: `${PASSWORD}2\n` });
      const scripts = await folder({
        '1-table.sql': 'create table goods (name text);',
        '2-row.sh': `psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -c "insert into goods values ('flour')"`,
        '3-row.sql.gz': gzipSync("insert into goods values ('salt');"),
        README: 'no script',
      });
      const own = await folder({ '0-first.sh': 'echo "the first script: $POSTGRES_PASSWORD" >/data/first' });
      const options = {
        environment: {
          POSTGRES_USER: 'app',
          POSTGRES_PASSWORD_FILE: '/run/secrets/user',
          POSTGRES_DB: 'pantry',
          POSTGRES_INITDB_ARGS: '--wal-segsize=1',
          POSTGRESQL_POSTGRES_PASSWORD_FILE: '/run/secrets/admin',
          POSTGRESQL_PORT_NUMBER: PRIMARY_PORT,
          PGPORT: PRIMARY_PORT,
        },
        mounts: { '/data': await folder() },
        readOnlyMounts: {
          '/run/secrets': secrets,
          '/docker-entrypoint-initdb.d': scripts,
          [`${ETC}/init.d`]: own,
          [`${ETC}/conf.d`]: await folder({ 'more.conf': 'log_connections = on\nmax_connections = 7' }),
        },
      };
      const first = await start(options);
      await expectReady(first);
      expect(await query(first, 'select name from goods order by 1', 'app', PASSWORD, 'pantry')).toBe('flour\nsalt');
      // .sql files run as the user in the container's variables.
      expect(
        await query(first, "select tableowner from pg_tables where tablename = 'goods'", 'app', PASSWORD, 'pantry'),
      ).toBe('app');
      expect(await query(first, 'show max_connections', 'postgres', `${PASSWORD}2`)).toBe('7');
      expect(await query(first, 'show wal_segment_size', 'postgres', `${PASSWORD}2`)).toBe('1MB');
      expect(await query(first, 'select 1', 'app', 'wrong', 'pantry')).toContain('password authentication failed');
      expect(await query(first, 'select 1', 'postgres', PASSWORD)).toContain('password authentication failed');
      expect((await first.exec(['cat', '/data/first'])).output).toContain('the first script: a "quoted"');
      // psql connects once for all statements of the first start, and once for each script with SQL.
      expect(
        first
          .output()
          .split('ready to accept connections')[1]
          ?.match(/connection authorized: .*psql/g),
      ).toHaveLength(4);
      // The environment of the server must not contain a password.
      expect(await readFile(`/proc/${first.pid()}/environ`, 'utf8')).not.toContain('quoted');
      await first.stop();

      // Starts with another user id, as after a change of the platform. umask 0077 lets only the owner read the files. On
      // this machine, both ids are the same account.
      const second = await start({ ...options, uid: OTHER_UID });
      await expectReady(second);
      expect(await query(second, 'select count(*) from goods', 'app', PASSWORD, 'pantry')).toBe('2');
      expect((await second.exec(['psql', '-XAtc', 'select current_user'])).output).toBe('postgres');
      expect(second.output()).not.toContain('ran /');
    },
    SLOW_MS,
  );

  test(
    'starts without psql if nothing has to be created',
    async () => {
      const container = await start({
        environment: {
          ALLOW_EMPTY_PASSWORD: 'yes',
          POSTGRESQL_PORT: 'tcp://10.0.0.1:5432',
          POSTGRESQL_PORT_NUMBER: PRIMARY_PORT,
        },
        mounts: { '/data': await folder() },
        readOnlyMounts: { [`${ETC}/conf.d`]: await folder({ 'log.conf': 'log_connections = on' }) },
      });
      await expectReady(container);
      expect(container.output()).not.toContain('application_name=psql');
      expect(
        (await container.exec(['psql', '-XAt', '-h', '127.0.0.1', '-p', PRIMARY_PORT, '-c', 'select 1'])).output,
      ).toBe('1');
    },
    SLOW_MS,
  );

  test.each<[string, Record<string, string>, number, string]>([
    ['without a password', {}, 64, 'POSTGRESQL_PASSWORD_FILE'],
    ['with a missing file', { POSTGRES_PASSWORD_FILE: '/nowhere' }, 66, 'POSTGRES_PASSWORD_FILE names a file'],
    ['with another mode', { POSTGRESQL_REPLICATION_MODE: 'both' }, 64, 'expected master or slave'],
    [
      'without a user of replicas',
      { POSTGRESQL_REPLICATION_MODE: 'master' },
      64,
      'requires POSTGRESQL_REPLICATION_USER',
    ],
    [
      'without the password of replicas',
      { POSTGRESQL_REPLICATION_MODE: 'slave', POSTGRESQL_REPLICATION_USER: 'r' },
      64,
      'POSTGRESQL_REPLICATION_PASSWORD_FILE',
    ],
    [
      'without a primary',
      { POSTGRES_REPLICATION_MODE: 'slave', POSTGRES_REPLICATION_USER: 'r', POSTGRES_REPLICATION_PASSWORD: 'p' },
      64,
      'requires POSTGRESQL_MASTER_HOST',
    ],
    [
      'with a password of replicas in two lines',
      { POSTGRES_REPLICATION_MODE: 'master', POSTGRES_REPLICATION_USER: 'r', POSTGRES_REPLICATION_PASSWORD: 'p\nq' },
      64,
      'must be a single line',
    ],
    ['with another method', { POSTGRES_HOST_AUTH_METHOD: 'none' }, 64, 'POSTGRES_HOST_AUTH_METHOD is not known'],
    ['with a word for a number', { POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS: 'all' }, 64, 'is not a number'],
    ['with another order', { POSTGRESQL_SYNCHRONOUS_REPLICAS_MODE: 'LAST' }, 64, 'expected FIRST or ANY'],
    ['with TLS and no certificate', { POSTGRESQL_ENABLE_TLS: 'yes' }, 64, 'requires POSTGRESQL_TLS_CERT_FILE'],
  ])('ends %s', async (_, environment, code, text) => {
    const container = await start({ environment, mounts: { '/data': await folder() } });
    expect(await container.ended).toBe(code);
    expect(container.output()).toContain(text);
  });

  test('ends if the volume holds other files, or cannot be written', async () => {
    const data = await folder();
    await mkdir(join(data, 'postgresql'));
    await writeFile(join(data, 'postgresql/file'), '');
    const environment = { POSTGRES_PASSWORD: 'p' };
    const full = await start({ environment, mounts: { '/data': data } });
    expect([await full.ended, full.output()]).toEqual([65, expect.stringContaining('not a cluster')]);
    const fixed = await start({ environment, readOnlyMounts: { '/data': await folder() } });
    expect([await fixed.ended, fixed.output()]).toEqual([
      73,
      expect.stringContaining('cannot be written by user 1001'),
    ]);
  });

  test(
    'replicates synchronously from a cluster that began alone, and promotes the replica',
    async () => {
      const data = await folder();
      const common = { POSTGRESQL_PASSWORD: PASSWORD };
      const alone = await start({
        environment: { ...common, POSTGRESQL_PORT_NUMBER: PRIMARY_PORT, PGPORT: PRIMARY_PORT },
        mounts: { '/data': data },
      });
      await expectReady(alone);
      await alone.stop();

      const replication = {
        POSTGRESQL_REPLICATION_USER: "o'repl",
        POSTGRESQL_REPLICATION_PASSWORD: `a:b\\c 'd' "e"; --`,
      };
      const synchronous = {
        POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS: '1',
        POSTGRESQL_SYNCHRONOUS_REPLICAS_MODE: 'ANY',
        POSTGRESQL_SYNCHRONOUS_COMMIT_MODE: 'remote_apply',
        POSTGRESQL_CLUSTER_APP_NAME: 'pantry "1"',
      };
      const primaryEnvironment = {
        ...common,
        ...replication,
        ...synchronous,
        POSTGRESQL_PORT_NUMBER: PRIMARY_PORT,
        PGPORT: PRIMARY_PORT,
      };
      const primary = await start({
        environment: { ...primaryEnvironment, POSTGRESQL_REPLICATION_MODE: 'master' },
        mounts: { '/data': data },
      });
      await expectReady(primary);

      const copy = await folder();
      const replicaOf = (mode: string) => ({
        environment: {
          ...common,
          ...replication,
          POSTGRESQL_CLUSTER_APP_NAME: 'pantry "1"',
          POSTGRESQL_REPLICATION_MODE: mode,
          POSTGRESQL_MASTER_HOST: '127.0.0.1',
          POSTGRESQL_MASTER_PORT_NUMBER: PRIMARY_PORT,
          POSTGRESQL_PORT_NUMBER: REPLICA_PORT,
          PGPORT: REPLICA_PORT,
        },
        mounts: { '/data': copy },
      });
      const replica = await start(replicaOf('slave'));
      await expectReady(replica);
      await expect.poll(() => query(primary, 'select sync_state from pg_stat_replication'), eventually).toBe('quorum');
      expect(await query(primary, 'create table goods as select 42 as amount')).toBe('');
      // With remote_apply, the primary answers after the replica has applied the change.
      expect(await query(replica, 'select amount from goods')).toBe('42');
      expect(await query(replica, 'delete from goods')).toContain('read-only transaction');
      const command = await readFile(`/proc/${replica.pid()}/cmdline`, 'utf8');
      expect(command).toContain('primary_conninfo');
      expect(command).not.toContain('a:b');

      await replica.stop();
      const again = await start(replicaOf('slave'));
      await expectReady(again);
      expect(again.output()).not.toContain('initdb');
      await expect.poll(() => query(primary, 'select sync_state from pg_stat_replication'), eventually).toBe('quorum');
      expect(await query(primary, 'update goods set amount = 43')).toBe('');

      await again.stop();
      await primary.stop();
      const promoted = await start(replicaOf('master'));
      await expectReady(promoted);
      expect(await query(promoted, 'update goods set amount = amount + 1 returning amount')).toBe('44');

      const refused = await start({ ...replicaOf('slave'), mounts: { '/data': data } });
      expect([await refused.ended, refused.output()]).toEqual([
        65,
        expect.stringContaining('a replica starts with an empty volume'),
      ]);
    },
    SLOW_MS,
  );

  test(
    'uses mounted access rules, and serves TLS',
    async () => {
      const certificate = await folder();
      makeSelfSigned({ key: join(certificate, 'tls.key'), cert: join(certificate, 'tls.crt') }, 'db');
      await chmod(join(certificate, 'tls.key'), 0o600);
      const rules = 'local all postgres peer map=container\nhostssl all all all scram-sha-256\n';
      const container = await start({
        environment: {
          POSTGRESQL_PASSWORD: PASSWORD,
          POSTGRESQL_PORT_NUMBER: PRIMARY_PORT,
          PGPORT: PRIMARY_PORT,
          POSTGRESQL_ENABLE_TLS: 'yes',
          POSTGRESQL_TLS_CERT_FILE: '/run/tls/tls.crt',
          POSTGRESQL_TLS_KEY_FILE: '/run/tls/tls.key',
          POSTGRESQL_TLS_PREFER_SERVER_CIPHERS: 'no',
        },
        mounts: { '/data': await folder() },
        readOnlyMounts: {
          [`${ETC}/access`]: await folder({ 'pg_hba.conf': rules }),
          [`${ETC}/preinit.d`]: await folder({ 'early.sh': 'touch /data/early' }),
          '/run/tls': certificate,
        },
      });
      await expectReady(container);
      expect((await container.exec(['ls', '/data'])).output).toContain('early');
      expect(await query(container, 'select ssl from pg_stat_ssl where pid = pg_backend_pid()')).toBe('t');
      expect(await query(container, 'show ssl_prefer_server_ciphers')).toBe('off');
      const plain = ['psql', '-XAt', '-d', 'host=127.0.0.1 sslmode=disable', '-c', 'select 1'];
      expect((await container.exec(plain, { PGPASSWORD: PASSWORD })).output).toContain('no pg_hba.conf entry');
    },
    SLOW_MS,
  );
});
