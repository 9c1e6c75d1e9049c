// The mark of a content folder. It is written once, an upgrade marks the old folder, and other installations reject the
// folder. Also tests the operator's commands.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { addUses } from '../content/content-uses.ts';
import { openDiskContent } from '../content/disk.ts';
import { inTransaction } from '../db/database.ts';
import { ensureInstallation } from '../identity/installation.ts';
import { newInstallationKey } from '../identity/installation-key.ts';
import type { Digest } from '../oci/descriptor.ts';
import { claimContentFolder } from './content-folder.ts';

let catalog: TestCatalog;
let database: TestDatabase;
let folder: string;
let made: TestDatabase[];

beforeEach(async () => {
  made = [];
  catalog = await openTestCatalog();
  database = catalog;
  await install(database);
  folder = mkdtempSync(join(tmpdir(), 'larder-content-'));
});
afterEach(async () => {
  await Promise.all([database, ...made].map((one) => one.drop()));
  rmSync(folder, { recursive: true });
});

async function install({ db }: TestDatabase): Promise<void> {
  await inTransaction(db, (tx) => ensureInstallation(tx, newInstallationKey()));
}

async function otherInstallation(): Promise<TestDatabase> {
  const other = await createTestDatabase();
  made.push(other);
  await install(other);
  return other;
}

const claim = ({ db }: TestDatabase = database) => claimContentFolder(db, folder);
const markOf = () => readFileSync(join(folder, 'installation'), 'utf8');

/** Stores a text in the folder. */
async function hold(text: string): Promise<Digest> {
  return (await (await openDiskContent(folder)).put(Readable.from([Buffer.from(text)]))).digest;
}

async function know(digests: Digest[]): Promise<void> {
  await inTransaction(database.db, (tx) => addUses(tx, { kind: 'plan', id: 'recipe:any' }, digests));
}

const digestNumber = (number: number): Digest => `sha256:${number.toString(16).padStart(64, '0')}`;

describe('a folder is claimed at start', () => {
  test('an empty folder is marked by the first start, also by concurrent ones, and accepted by later ones', async () => {
    await Promise.all([claim(), claim(), claim()]);
    const mark = markOf();
    expect(mark).toMatch(/^larder-content-1 [0-9a-f-]{36}\n$/);
    expect(statSync(join(folder, 'installation')).mode & 0o777).toBe(0o640);
    expect(readdirSync(join(folder, 'temporary'))).toEqual([]);
    await know([await hold('kept')]);
    await claim();
    expect(markOf()).toBe(mark);
  });

  test('a folder without a mark is adopted if it holds any content of the database', async () => {
    await know([...Array.from({ length: 999 }, (_, n) => digestNumber(n)), await hold('ours')]);
    await claim();
    expect(markOf()).toMatch(/^larder-content-1/);
  });

  test('an empty folder is rejected if the database has content, and not changed', async () => {
    await know([digestNumber(1)]);
    await expect(claim()).rejects.toThrow(/^\S+ holds none of the content .*LARDER_CONTENT.*«larder content adopt»/);
    expect(readdirSync(folder)).toEqual([]);
    // An unmarked folder that contains only content of another installation must be rejected too.
    await hold('somebody’s');
    await expect(claim()).rejects.toThrow(/holds none of the content/);
    expect(readdirSync(folder)).not.toContain('installation');
  });

  test('a missing folder is rejected with the same error, and not created', async () => {
    await know([digestNumber(1)]);
    rmSync(folder, { recursive: true });
    await expect(claim()).rejects.toThrow(/holds none of the content/);
    expect(readdirSync(tmpdir())).not.toContain(folder.split('/').at(-1));
    mkdirSync(folder);
  });

  test('the folder of another installation is rejected, with content or without', async () => {
    await claim();
    const other = await otherInstallation();
    await expect(claim(other)).rejects.toThrow(/another Larder installation .*LARDER_CONTENT.*LARDER_DATABASE_URL/);
    await know([await hold('ours')]);
    await expect(claim(other)).rejects.toThrow(/another Larder installation/);
    await claim();
  });

  test('a folder with content and without a mark is rejected for a new database', async () => {
    await hold('somebody’s');
    await expect(claim()).rejects.toThrow(/holds content, and this database knows none of it.*LARDER_CONTENT/);
    expect(readdirSync(folder)).not.toContain('installation');
  });

  test('a malformed mark is rejected and not changed', async () => {
    for (const text of ['', 'larder-content-1 \n', 'larder-content-2 x\n']) {
      writeFileSync(join(folder, 'installation'), text);
      await expect(claim()).rejects.toThrow(/does not name an installation.*LARDER_CONTENT/);
      expect(markOf()).toBe(text);
    }
  });
});

const CLI = new URL('../bin/cli.ts', import.meta.url).pathname;

type Ran = { code: number; out: string; err: string };

async function larder(...args: string[]): Promise<Ran> {
  const env = { PATH: process.env['PATH'], LARDER_DATABASE_URL: database.url, LARDER_CONTENT: folder };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...args], { env });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

describe('larder content', () => {
  test('check lists missing and damaged contents, and the releases that need them', async () => {
    await claim();
    await catalog.baseMoves('first');
    // The catalog of this test has recorded uses of contents that are not stored.
    await database.pool.query('delete from content_uses');
    const kept = await hold('kept');
    const damaged = await hold('damaged');
    const lost = digestNumber(7);
    const { application_ids } = await catalog.request(catalog.acme, ['redis']);
    const pipeline = await catalog.openPipeline(application_ids[0] ?? '');
    await catalog.finish(pipeline);
    await database.pool.query('delete from content_uses');
    await know([kept, damaged]);
    expect(await larder('content', 'check')).toEqual({
      code: 0,
      out: `Of 2 contents of the database, 2 are in ${folder}.\n`,
      err: '',
    });
    await inTransaction(database.db, (tx) => addUses(tx, { kind: 'release', id: pipeline }, [lost, kept]));
    await inTransaction(database.db, (tx) => addUses(tx, { kind: 'base_image', id: catalog.base }, [lost]));
    const [release] = (
      await database.pool.query(
        "select artifact_version as tag, repository || '/' || artifact_name || ':' || artifact_version as url from releases",
      )
    ).rows;
    const missing = await larder('content', 'check');
    expect(missing).toEqual({
      code: 1,
      out: [
        `missing ${lost}`,
        `  release Redis ${release.tag} (${release.url})`,
        '  base image Debian 12',
        'Releases that need them:',
        `  Redis ${release.tag}  ${release.url}`,
        `Of 3 contents of the database, 2 are in ${folder}.`,
        '',
      ].join('\n'),
      err: 'Contents that cannot be served: 1.\n',
    });
    const hex = damaged.slice('sha256:'.length);
    writeFileSync(join(folder, 'sha256', hex.slice(0, 2), hex), 'changed');
    expect(await larder('content', 'check')).toEqual(missing);
    const bytes = await larder('--json', 'content', 'check', '--bytes');
    expect(bytes.code).toBe(1);
    expect(JSON.parse(bytes.out)).toMatchObject({
      known: 3,
      bad: [
        { digest: lost, state: 'MISSING', releases: [{ product: 'Redis', tag: release.tag }] },
        { digest: damaged, state: 'DAMAGED', releases: [], others: [{ kind: 'plan' }] },
      ].sort((one, other) => (one.digest < other.digest ? -1 : 1)),
      releases: [{ url: release.url }],
    });
  });

  test('check rejects another installation’s folder', async () => {
    await claim(await otherInstallation());
    const { code, err } = await larder('content', 'check');
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^\S+ is the content folder of another Larder installation/),
    ]);
  });

  test('adopt accepts a folder whose content is lost, but not that of another installation', async () => {
    await know([digestNumber(1)]);
    await expect(claim()).rejects.toThrow();
    expect(await larder('content', 'adopt')).toMatchObject({ code: 0, out: expect.stringContaining(folder) });
    await claim();
    const { rows } = await database.pool.query("select actor_name from audit_events where action = 'adoptContent'");
    expect(rows.map((row) => row.actor_name)).toEqual(['operator', 'operator']);
    expect((await larder('content', 'check')).code).toBe(1);
    rmSync(join(folder, 'installation'));
    await claimContentFolder((await otherInstallation()).db, folder);
    expect(await larder('content', 'adopt')).toMatchObject({ code: 1, err: expect.stringMatching(/another Larder/) });
  });
});
