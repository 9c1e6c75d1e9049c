// Composes the certificate bundle, users and groups of an image with those of a customization.
import { describe, expect, it } from 'vitest';
import { EXAMPLE_ROOT, NOW, UNICODE_ROOT } from '../../test/fixtures/customization.ts';
import { readCertificates } from './certificates.ts';
import { Accounts, composeBundle } from './composed.ts';

const both = readCertificates(EXAMPLE_ROOT + UNICODE_ROOT, NOW).certificates;

describe('the bundle', () => {
  it('contains the image’s certificates, then the new ones', () => {
    expect(composeBundle('', both)).toBe(EXAMPLE_ROOT + UNICODE_ROOT);
    expect(composeBundle(UNICODE_ROOT, both)).toBe(UNICODE_ROOT + EXAMPLE_ROOT);
    expect(composeBundle(`# comment\n${EXAMPLE_ROOT.trimEnd()}`, both)).toBe(
      `# comment\n${EXAMPLE_ROOT}${UNICODE_ROOT}`,
    );
  });
  it('does not grow when it is composed again', () => {
    const once = composeBundle('', both);
    expect(composeBundle(once, both)).toBe(once);
    expect(composeBundle('', [...both, ...both])).toBe(once);
  });
});

describe('users and groups', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nredis:x:100:101::/var/lib/redis:/usr/sbin/nologin\n';
  const group = 'root:x:0:\nadm:x:4:syslog\nredis:x:101:\n';
  const user = { name: 'app', uid: 1001, gid: 1001, home: '/app', shell: '/bin/sh', groups: ['adm'] };

  it('adds a user with its group', () => {
    const accounts = new Accounts(passwd, group);
    accounts.add(user);
    accounts.add(user);
    expect(accounts.passwd).toBe(`${passwd}app:*:1001:1001::/app:/bin/sh\n`);
    expect(accounts.group).toBe('root:x:0:\nadm:x:4:syslog,app\nredis:x:101:\napp:*:1001:\n');
    expect([accounts.userId('app'), accounts.userId('redis'), accounts.groupId('adm'), accounts.userId(7)]).toEqual([
      1001, 100, 4, 7,
    ]);
  });
  it('adds a user to an image without /etc/passwd and /etc/group', () => {
    const accounts = new Accounts('', '');
    accounts.add({ ...user, groups: [] });
    expect(accounts.passwd + accounts.group).toBe('app:*:1001:1001::/app:/bin/sh\napp:*:1001:\n');
  });
  it('adds no group for a gid that the image has', () => {
    const accounts = new Accounts(passwd, group);
    accounts.add({ ...user, gid: 0, groups: [] });
    expect(accounts.group).toBe(group);
  });
  it('gives a user without further fields a group of its own, no home and no shell', () => {
    const accounts = new Accounts(passwd, group);
    accounts.add({ name: 'plain', uid: 1002, groups: [] });
    expect(accounts.passwd).toBe(`${passwd}plain:*:1002:1002::/nonexistent:/usr/sbin/nologin\n`);
    expect(accounts.group).toBe(`${group}plain:*:1002:\n`);
  });
  it('changes only the declared fields of an account of the image', () => {
    const joined = new Accounts(passwd, group);
    joined.add({ name: 'redis', uid: 100, groups: ['adm'] });
    expect(joined.passwd).toBe(passwd);
    expect(joined.group).toBe(group.replace('syslog', 'syslog,redis'));
    const moved = new Accounts(passwd, group);
    moved.add({ name: 'redis', uid: 100, shell: '/bin/sh', groups: [] });
    expect(moved.passwd).toBe(passwd.replace(':/var/lib/redis:/usr/sbin/nologin', ':/var/lib/redis:/bin/sh'));
    expect(moved.group).toBe(group);
  });
  it('replaces the gid, home and shell of an account of the image if they are declared', () => {
    const accounts = new Accounts('redis:x:100:101\n', group);
    accounts.add({ name: 'redis', uid: 100, gid: 4, home: '/data', shell: '/bin/sh', groups: [] });
    expect(accounts.passwd).toBe('redis:x:100:4::/data:/bin/sh\n');
  });
  it('rejects an existing name with another uid, and names both uids', () => {
    const accounts = new Accounts(passwd, group);
    expect(() => accounts.add({ name: 'redis', uid: 999, groups: [] })).toThrow(
      'the user redis with id 999 cannot be created: the image has the user redis with id 100',
    );
  });
  it.each([
    [{ ...user, uid: 100 }, 'USER_TAKEN'],
    [{ ...user, name: 'redis' }, 'USER_TAKEN'],
    [{ ...user, name: 'adm' }, 'USER_TAKEN'],
    [{ ...user, groups: ['wheel'] }, 'GROUP_UNKNOWN'],
  ])('rejects a user that conflicts with the image: %j', (request, code) => {
    expect(() => new Accounts(passwd, group).add(request)).toThrow(expect.objectContaining({ code }));
  });
  it('rejects unknown names of users and groups', () => {
    expect(() => new Accounts(passwd, group).userId('nginx')).toThrow('has no user nginx');
    expect(() => new Accounts(passwd, group).groupId('nginx')).toThrow('has no group nginx');
  });
});
