// Customizations applied to images that have links, folders and files of their own.
import { expect, it } from 'vitest';
import { EXAMPLE_ROOT, inspect, literal, rootfs, yaml } from '../../test/fixtures/customization.ts';
import { entry } from '../../test/fixtures/tar.ts';
import type { ListingEntry } from '../tar/listing-entry.ts';
import { placeCustomization } from './placement.ts';
import { planChanges } from './plan-changes.ts';

function image(...entries: (Partial<ListingEntry> & { path: string })[]): Map<string, ListingEntry> {
  const whole = entries.map(
    (some): ListingEntry => ({ type: 'folder', mode: 0o755, uid: 0, gid: 0, size: 0, ...some }),
  );
  return new Map(whole.map((some) => [some.path, some]));
}

const debian = image(
  { path: 'usr' },
  { path: 'usr/lib' },
  { path: 'usr/bin' },
  { path: 'usr/bin/env', type: 'file' },
  { path: 'lib', type: 'symlink', target: 'usr/lib' },
  { path: 'bin', type: 'symlink', target: '/usr/bin' },
  { path: 'etc' },
  { path: 'etc/motd', type: 'file', digest: `sha256:${'0'.repeat(64)}` },
  { path: 'etc/editor', type: 'symlink', target: '/usr/bin/env' },
  { path: 'etc/alternatives', mode: 0o2775, uid: 5, gid: 50 },
  { path: 'var' },
  { path: 'var/run', type: 'symlink', target: '/run' },
  { path: 'loop', type: 'symlink', target: 'pool' },
  { path: 'pool', type: 'symlink', target: 'loop' },
  { path: 'dangling', type: 'symlink', target: 'srv/data' },
);

async function placed(...entries: Parameters<typeof inspect>[0]) {
  return placeCustomization(await inspect(entries), debian).map(({ path, type, mode, user, group }) =>
    [path, type, mode.toString(8), user, group].join(' '),
  );
}

it('places the files of lib in usr/lib and keeps the link', async () => {
  expect(
    await placed(
      rootfs('lib', { mode: 0o700 }),
      rootfs('lib/systemd/x', { content: '' }),
      rootfs('bin/tool', { content: '', mode: 0o755 }),
    ),
  ).toEqual([
    'usr folder 755 0 0',
    'usr/lib folder 755 0 0',
    'usr/lib/systemd folder 755 0 0',
    'usr/lib/systemd/x file 644 0 0',
    'usr/bin folder 755 0 0',
    'usr/bin/tool file 755 0 0',
  ]);
  expect(await placed(rootfs('dangling/x', { content: '' }))).toContain('srv/data/x file 644 0 0');
});

it('folders of the image keep mode and owner, new ones are 0:0, setuid needs a declaration', async () => {
  const archive = [
    rootfs('etc/alternatives', { mode: 0o777, uid: 9 }),
    rootfs('etc/new', { mode: 0o1777, uid: 9 }),
    rootfs('etc/new/su', { content: '', mode: 0o4755, uid: 9 }),
  ];
  expect((await placed(...archive)).slice(1)).toEqual([
    'etc/alternatives folder 2775 5 50',
    'etc/new folder 777 0 0',
    'etc/new/su file 755 0 0',
  ]);
  const declaration = yaml(
    'files:',
    '  - {path: /etc/alternatives, owner: "7:8", mode: 0750}',
    '  - {path: /etc/new/su, owner: redis, mode: 4755}',
  );
  expect((await placed(declaration, ...archive)).slice(1)).toEqual([
    'etc/alternatives folder 750 7 8',
    'etc/new folder 777 0 0',
    'etc/new/su file 4755 redis 0',
  ]);
});

it('a hard link points to the final path of its file', async () => {
  const inspection = await inspect([
    rootfs('lib/a', { content: '', mode: 0o600 }),
    rootfs('etc/b', { type: 'hardlink', target: 'rootfs/lib/a' }),
  ]);
  expect(placeCustomization(inspection, debian).at(-1)).toMatchObject({
    path: 'etc/b',
    type: 'hardlink',
    target: 'usr/lib/a',
    mode: 0o600,
  });
});

it.each([
  ['a folder where the image has a file', [rootfs('etc/motd')], 'NOT_A_FOLDER'],
  ['an entry beneath a file of the image', [rootfs('usr/bin/env/x', { content: '' })], 'NOT_A_FOLDER'],
  ['a file where the image has a folder', [rootfs('etc', { content: '' })], 'IN_THE_WAY'],
  ['a link where the image has a folder', [rootfs('usr/lib', { type: 'symlink', target: 'x' })], 'IN_THE_WAY'],
  ['a file in place of a link to a folder', [rootfs('lib', { content: '' })], 'IN_THE_WAY'],
  [
    'a hard link in place of a link to a folder',
    [rootfs('etc/a', { content: '' }), rootfs('bin', { type: 'hardlink', target: 'rootfs/etc/a' })],
    'IN_THE_WAY',
  ],
  ['a path into a folder of the machine', [rootfs('var/run/x', { content: '' })], 'OUTSIDE_IMAGE'],
  ['a path through a loop of links', [rootfs('loop/x', { content: '' })], 'LINK_LOOP'],
  ['two paths to one file', [rootfs('lib/x', { content: '' }), rootfs('usr/lib/x', { content: '' })], 'TWICE'],
])('%s is rejected', async (_, entries, code) => {
  const inspection = await inspect(entries);
  expect(() => placeCustomization(inspection, debian)).toThrow(expect.objectContaining({ code }));
});

it('a file replaces a link of the image, not the target of the link', async () => {
  for (const path of ['etc/editor', 'dangling', 'loop', 'var/run'])
    expect(planChanges(await inspect([rootfs(path, { content: '' })]), debian)).toEqual([
      { path, kind: 'replace', type: 'file', was: 'symlink' },
    ]);
});

it('a link replaces a link, even one that points to a folder', async () => {
  const moved = rootfs('lib', { type: 'symlink', target: 'usr/lib64' });
  expect(await placed(moved)).toEqual(['lib symlink 777 0 0']);
});

it('lists added, changed and replaced files, and omits unchanged ones', async () => {
  const same = rootfs('etc/same', { content: 'x' });
  const first = await inspect([same]);
  const holding = new Map(debian);
  for (const { path, digest } of first.listing) {
    if (digest !== undefined)
      holding.set(path.slice(7), { path: path.slice(7), type: 'file', mode: 0o644, uid: 0, gid: 0, size: 1, digest });
  }
  const inspection = await inspect([
    same,
    rootfs('etc/motd', { content: 'new' }),
    rootfs('opt/tool/x', { content: '' }),
    entry('scripts/final', { content: 'true' }),
  ]);
  expect(planChanges(inspection, holding)).toEqual([
    { path: 'etc/motd', kind: 'change', type: 'file' },
    { path: 'opt', kind: 'add', type: 'folder' },
    { path: 'opt/tool', kind: 'add', type: 'folder' },
    { path: 'opt/tool/x', kind: 'add', type: 'file' },
  ]);
});

it('a certificate is placed as a file, as links by name and by subject, and in the bundle', async () => {
  const inspection = await inspect([yaml('certificates:', '  - name: company', `    pem: ${literal(EXAMPLE_ROOT)}`)]);
  const changes = (below: Map<string, ListingEntry>) =>
    planChanges(inspection, below)
      .filter(({ type }) => type !== 'folder')
      .map(({ path, kind }) => `${kind} ${path}`);
  expect(changes(debian)).toEqual([
    'add usr/local/share/ca-certificates/company.crt',
    'add etc/ssl/certs/company.pem',
    'add etc/ssl/certs/3179e0d9.0',
    'add etc/ssl/certs/ca-certificates.crt',
  ]);
  const taken = image(
    { path: 'etc/ssl/certs/3179e0d9.0', type: 'symlink', target: 'other.pem' },
    { path: 'etc/ssl/certs/ca-certificates.crt', type: 'file' },
  );
  expect(changes(taken)).toContain('add etc/ssl/certs/3179e0d9.1');
  expect(changes(taken)).toContain('change etc/ssl/certs/ca-certificates.crt');
  const again = image({ path: 'etc/ssl/certs/3179e0d9.0', type: 'symlink', target: 'company.pem' });
  expect(changes(again).join()).not.toContain('3179e0d9');
});
