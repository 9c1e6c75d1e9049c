// The MariaDB image in containers. Tests variables of compose files and charts, passwords with any characters, scripts, data
// of older branches, and replication.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Container, expectReady as expectHealthy, missingForContainers } from '../container.ts';
import { SLOW_MS } from '../redis-builds.ts';
import { makeSelfSigned } from '../self-signed.ts';
import { useImage } from './image-containers.ts';

const reason = missingForContainers();
const PASSWORD = `a "quoted" \\n \\ $HOME 'password'; drop user app; -- \``;
const ETC = '/usr/local/etc/mariadb';
const PRIMARY_PORT = '17732';
const REPLICA_PORT = '17733';
const OTHER_UID = 1_000_720_000;
/** The time limit for a change to reach a replica. This takes milliseconds, and seconds on a busy machine. */
const eventually = { timeout: 60_000, interval: 100 };

describe.skipIf(reason !== '')(`the MariaDB image ${reason}`, () => {
  const { folder, start } = useImage('mariadb', { stopSignal: 'SIGTERM' });

  const expectReady = (container: Container) => expectHealthy(container, ['/usr/local/bin/mariadb-health']);

  /** Runs a statement on the local socket, as the user of the container. */
  async function query(container: Container, sql: string): Promise<string> {
    const { code, output } = await container.exec(['mariadb', '-BN', '-e', sql]);
    return code === 0 ? output : `error ${code}: ${output}`;
  }

  /** Runs a statement over TCP, as a client with a password does. */
  async function queryAs(container: Container, user: string, password: string, sql: string, port = PRIMARY_PORT) {
    const command = ['mariadb', '-BN', '-h', '127.0.0.1', '-P', port, '-u', user, '-e', sql];
    const { code, output } = await container.exec(command, { MYSQL_PWD: password });
    return code === 0 ? output : `error ${code}: ${output}`;
  }

  test(
    'reads the variables of compose files, from files too, runs scripts once, and reads data of an older branch',
    async () => {
      const secrets = await folder({ user: PASSWORD, root: `${PASSWORD}2\n` });
      makeSelfSigned({ key: join(secrets, 'tls.key'), cert: join(secrets, 'tls.crt') }, 'db');
      const scripts = await folder({
        '1-table.sql': 'create table goods (name text);',
        '2-row.sh': `mariadb -u root -p"$MYSQL_ROOT_PASSWORD" "$MARIADB_DATABASE" -e "insert into goods values ('flour')"`,
        '3-row.sql.gz': gzipSync("insert into goods values ('salt');"),
        README: 'no script',
      });
      const data = await folder();
      const options = {
        environment: {
          MYSQL_USER: "o'app",
          MYSQL_PASSWORD_FILE: '/run/secrets/user',
          MYSQL_DATABASE: 'pan_try`',
          MARIADB_ROOT_PASSWORD_FILE: '/run/secrets/root',
          MARIADB_PORT: 'tcp://10.0.0.1:3306',
          MARIADB_PORT_NUMBER: PRIMARY_PORT,
          MARIADB_EXTRA_FLAGS: '--max-connections=19 --long-query-time=7',
          MARIADB_COLLATE: 'utf8mb4_bin',
          MARIADB_ENABLE_SSL: 'yes',
          MARIADB_SSL_CERT_FILE: '/run/secrets/tls.crt',
          MARIADB_SSL_KEY_FILE: '/run/secrets/tls.key',
        },
        command: ['mysqld', '--max-connections=17'],
        mounts: { '/data': data },
        readOnlyMounts: {
          '/run/secrets': secrets,
          '/docker-entrypoint-initdb.d': scripts,
          '/docker-entrypoint-startdb.d': await folder({
            'count.sql': 'create table if not exists starts (at datetime); insert into starts values (now())',
          }),
          [`${ETC}/init.d`]: await folder({ '0-first.sh': 'echo "the first script: $MARIADB_PASSWORD" >/data/first' }),
          '/etc/mysql/conf.d': await folder({
            'own.cnf': '[mysqld]\nlong_query_time = 5\nwait_timeout = 99\nmax_connections = 15\n',
          }),
        },
      };
      const first = await start(options);
      await expectReady(first);
      const goods = 'select name from `pan_try```.goods order by 1';
      expect(await queryAs(first, "o'app", PASSWORD, goods)).toBe('flour\nsalt');
      expect(await queryAs(first, 'root', `${PASSWORD}2`, 'select current_user()')).toBe('root@%');
      expect(await queryAs(first, "o'app", 'wrong', 'select 1')).toContain('Access denied');
      expect(await queryAs(first, 'root', '', 'select 1')).toContain('Access denied');
      // The underscore in the name is not a wildcard in the grant.
      expect(await queryAs(first, "o'app", PASSWORD, 'create database `panXtry```')).toContain('Access denied');
      // Arguments override variables, variables override files, and files override the image.
      const settings = 'select @@max_connections, @@long_query_time, @@wait_timeout, @@collation_server';
      expect(await query(first, settings)).toBe('17\t7.000000\t99\tutf8mb4_bin');
      const cipher = ['mariadb', '--ssl', '-h', '127.0.0.1', '-P', PRIMARY_PORT, '-u', "o'app", '-e', 'status'];
      expect((await first.exec(cipher, { MYSQL_PWD: PASSWORD })).output).toMatch(/SSL:\s+Cipher in use is TLS/);
      expect((await first.exec(['cat', '/data/first'])).output).toContain('the first script: a "quoted"');
      // The server has no password in its environment.
      expect(await readFile(`/proc/${first.pid()}/environ`, 'utf8')).not.toContain('quoted');
      await first.stop('SIGTERM');

      // Another user id, and tables of the system that an older branch has written.
      await writeFile(join(data, 'mariadb/image.branch'), '10.6\n');
      const second = await start({ ...options, uid: OTHER_UID });
      await expectReady(second);
      expect(second.output()).toContain('updating data of MariaDB 10.6');
      expect(second.output()).not.toContain('ran /docker-entrypoint-initdb.d');
      expect(await queryAs(second, "o'app", PASSWORD, goods)).toBe('flour\nsalt');
      expect(await query(second, 'select current_user(), (select count(*) from `pan_try```.starts)')).toBe(
        'mysql@localhost\t2',
      );
      await second.stop('SIGTERM');

      await writeFile(join(data, 'mariadb/image.branch'), '99.1\n');
      const older = await start(options);
      expect([await older.ended, older.output()]).toEqual([65, expect.stringContaining('is of MariaDB 99.1')]);
    },
    SLOW_MS,
  );

  test.each<[string, Record<string, string>, number, string]>([
    ['without a password', {}, 64, 'MARIADB_ROOT_PASSWORD_FILE'],
    ['with a missing file', { MYSQL_ROOT_PASSWORD_FILE: '/nowhere' }, 66, 'MYSQL_ROOT_PASSWORD_FILE names a file'],
    [
      'without the password of the user',
      { MARIADB_ROOT_PASSWORD: 'p', MARIADB_USER: 'u' },
      64,
      'MARIADB_PASSWORD_FILE',
    ],
    ['with root as the user', { MARIADB_ROOT_PASSWORD: 'p', MYSQL_USER: 'root' }, 64, 'MARIADB_USER is the root user'],
    ['with a word for a port', { MARIADB_PORT_NUMBER: 'first' }, 64, 'MARIADB_PORT_NUMBER is not a number'],
    ['with a word for a server', { MARIADB_SERVER_ID: 'first' }, 64, 'MARIADB_SERVER_ID is not a number'],
    ['with another mode', { MARIADB_REPLICATION_MODE: 'both' }, 64, 'expected master or slave'],
    ['without a user of replicas', { MARIADB_REPLICATION_MODE: 'master' }, 64, 'requires MARIADB_REPLICATION_USER'],
    ['without the password of replicas', { MARIADB_REPLICATION_USER: 'r' }, 64, 'MARIADB_REPLICATION_PASSWORD_FILE'],
    [
      'with a password of replicas in two lines',
      { MARIADB_REPLICATION_USER: 'r', MARIADB_REPLICATION_PASSWORD: 'p\nq' },
      64,
      'must be a single line',
    ],
    [
      'without a primary',
      { MARIADB_REPLICATION_MODE: 'slave', MARIADB_REPLICATION_USER: 'r', MARIADB_REPLICATION_PASSWORD: 'p' },
      64,
      'requires MARIADB_MASTER_HOST',
    ],
    ['with TLS and no certificate', { MARIADB_ENABLE_SSL: 'yes' }, 64, 'requires MARIADB_SSL_CERT_FILE'],
  ])('ends %s', async (_, environment, code, text) => {
    const container = await start({ environment, mounts: { '/data': await folder() } });
    expect(await container.ended).toBe(code);
    expect(container.output()).toContain(text);
  });

  test('ends if the volume holds other files, or cannot be written', async () => {
    const data = await folder();
    await mkdir(join(data, 'mariadb'));
    await writeFile(join(data, 'mariadb/file'), '');
    const environment = { MARIADB_ROOT_PASSWORD: 'p' };
    const full = await start({ environment, mounts: { '/data': data } });
    expect([await full.ended, full.output()]).toEqual([65, expect.stringContaining('not a database')]);
    const fixed = await start({ environment, readOnlyMounts: { '/data': await folder() } });
    expect([await fixed.ended, fixed.output()]).toEqual([
      73,
      expect.stringContaining('cannot be written by user 1001'),
    ]);
  });

  test(
    'creates the data again after a script that failed',
    async () => {
      const scripts = await folder({ '1.sql': 'create table goods (name text); no statement;' });
      const options = {
        environment: {
          MARIADB_RANDOM_ROOT_PASSWORD: 'yes',
          MARIADB_DATABASE: 'pantry',
          MARIADB_PORT_NUMBER: PRIMARY_PORT,
        },
        mounts: { '/data': await folder() },
        readOnlyMounts: { '/docker-entrypoint-initdb.d': scripts },
      };
      const broken = await start(options);
      expect([await broken.ended, broken.output()]).toEqual([1, expect.stringContaining('error in your SQL syntax')]);
      await writeFile(join(scripts, '1.sql'), 'create table goods (name text);');
      const mended = await start(options);
      await expectReady(mended);
      expect(await query(mended, 'select count(*) from pantry.goods')).toBe('0');
      expect(await queryAs(mended, 'root', '', 'select 1')).toContain('is not allowed to connect');
    },
    SLOW_MS,
  );

  test(
    'replicates from data that began alone, and promotes the replica',
    async () => {
      const data = await folder();
      const root = { MARIADB_ROOT_PASSWORD: PASSWORD, MARIADB_PORT_NUMBER: PRIMARY_PORT };
      const alone = await start({ environment: root, mounts: { '/data': data } });
      await expectReady(alone);
      // A server with a binary log does not let clients create such a function.
      await query(
        alone,
        "create database pantry; use pantry; create table goods (name text, code blob); insert into goods values ('flöur', x'00ff0a27'); create function four() returns int return 4",
      );
      await alone.stop('SIGTERM');

      const replication = {
        MARIADB_REPLICATION_USER: "o'repl",
        MARIADB_REPLICATION_PASSWORD: `a:b\\c 'd' "e"; --`,
      };
      const primary = await start({
        environment: { ...root, ...replication, MARIADB_SERVER_ID: '1', MARIADB_REPLICATION_MODE: 'master' },
        mounts: { '/data': data },
      });
      await expectReady(primary);

      const copy = await folder();
      const replicaOf = (mode: string) => ({
        environment: {
          ...replication,
          MARIADB_SERVER_ID: '2',
          MARIADB_REPLICATION_MODE: mode,
          MARIADB_MASTER_HOST: '127.0.0.1',
          MARIADB_MASTER_PORT_NUMBER: PRIMARY_PORT,
          MARIADB_PORT_NUMBER: REPLICA_PORT,
        },
        mounts: { '/data': copy },
      });
      const replica = await start(replicaOf('slave'));
      await expectReady(replica);
      const names = 'select group_concat(name order by name) from pantry.goods';
      expect(await query(replica, `${names}; select hex(code), pantry.four() from pantry.goods`)).toBe(
        'flöur\n00FF0A27\t4',
      );
      expect(
        await query(
          primary,
          "insert into pantry.goods values ('salt', null); create user clerk@'%' identified by 'c'; grant all on pantry.* to clerk@'%'",
        ),
      ).toBe('');
      await expect.poll(() => query(replica, names), eventually).toBe('flöur,salt');
      await expect
        .poll(() => queryAs(replica, 'clerk', 'c', 'delete from pantry.goods', REPLICA_PORT), eventually)
        .toContain('--read-only');
      expect(await readFile(`/proc/${replica.pid()}/cmdline`, 'utf8')).not.toContain('a:b');

      await replica.stop('SIGTERM');
      expect(await query(primary, "insert into pantry.goods values ('pepper', null)")).toBe('');
      const again = await start(replicaOf('slave'));
      await expectReady(again);
      await expect.poll(() => query(again, names), eventually).toBe('flöur,pepper,salt');

      await again.stop('SIGTERM');
      await primary.stop('SIGTERM');
      const promoted = await start(replicaOf('master'));
      await expectReady(promoted);
      expect(await queryAs(promoted, 'clerk', 'c', 'delete from pantry.goods', REPLICA_PORT)).toBe('');
      expect(await query(promoted, 'show slave status')).toBe('');

      const refused = await start({ ...replicaOf('slave'), mounts: { '/data': data } });
      expect([await refused.ended, refused.output()]).toEqual([
        65,
        expect.stringContaining('a replica starts with an empty volume'),
      ]);
    },
    SLOW_MS,
  );
});
