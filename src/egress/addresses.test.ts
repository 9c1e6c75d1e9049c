// Addresses outside the public Internet are rejected in every spelling.
import { describe, expect, it } from 'vitest';
import { isLoopback, isPublicAddress, parseHostList, plainAddress } from './addresses.ts';

describe('isPublicAddress', () => {
  it.each(['1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])(
    'accepts %s',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    ['this network', '0.0.0.0'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '192.168.1.1'],
    ['shared by carriers', '100.64.0.1'],
    ['loopback', '127.0.0.53'],
    ['link-local and metadata', '169.254.169.254'],
    ['metadata in carrier space', '100.100.100.200'],
    ['metadata in public space', '168.63.129.16'],
    ['documentation', '203.0.113.7'],
    ['benchmarks', '198.19.0.1'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['loopback', '::1'],
    ['unspecified', '::'],
    ['loopback in an old spelling', '::127.0.0.1'],
    ['mapped', '::ffff:10.0.0.1'],
    ['mapped, in hex', '::ffff:7f00:1'],
    ['mapped, in full', '0:0:0:0:0:ffff:7f00:0001'],
    ['NAT64', '64:ff9b::169.254.169.254'],
    ['NAT64 of a network', '64:ff9b:1::1'],
    ['6to4', '2002:7f00:1::'],
    ['Teredo', '2001:0:7f00:1::'],
    ['link-local', 'fe80::1%eth0'],
    ['private', 'fd00:ec2::254'],
    ['multicast', 'ff02::1'],
    ['a name', 'localhost'],
    ['an empty text', ''],
  ])('rejects %s: %s', (_kind, address) => expect(isPublicAddress(address)).toBe(false));
});

describe('plainAddress', () => {
  it('returns one spelling for an address', () => {
    expect(['::ffff:7f00:1', '0::FFFF:127.0.0.1', '127.0.0.1'].map(plainAddress)).toEqual(Array(3).fill('127.0.0.1'));
    expect(isLoopback('::ffff:127.1.2.3')).toBe(true);
    expect(isLoopback('::2')).toBe(false);
  });
});

describe('parseHostList', () => {
  const list = parseHostList([
    '10.0.0.0/8',
    '127.0.0.1',
    'fd00::/8',
    '[::1]',
    'registry.corp',
    '.lab.corp',
    '*.x.org',
    'one:5000',
    '',
  ]);

  it('matches addresses and networks in any spelling', () => {
    const known = [
      '10.255.0.1',
      '127.0.0.1',
      '::ffff:10.0.0.1',
      'fd12::1',
      '::1',
      '127.0.0.2',
      'fe80::1',
      'registry.corp',
    ];
    expect(known.map(list.hasAddress)).toEqual([true, true, true, true, true, false, false, false]);
  });

  it('matches names, suffixes and ports, and no other name with the same ending', () => {
    const known = ['registry.corp', 'Registry.Corp.', 'a.lab.corp', 'b.a.lab.corp', 'y.x.org'];
    expect(known.map((name) => list.hasName(name))).toEqual(Array(5).fill(true));
    const unknown = ['a.registry.corp', 'otherlab.corp', 'corp', 'one', 'evilregistry.corp'];
    expect(unknown.map((name) => list.hasName(name))).toEqual(Array(5).fill(false));
    expect([list.hasName('one', '5000'), list.hasName('one', '5001')]).toEqual([true, false]);
  });

  it.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', 'http://x', 'a b', '10.0.0.0/x'])(
    'rejects %s',
    (item) => {
      expect(() => parseHostList([item])).toThrow(expect.objectContaining({ code: 'HOST_LIST' }));
    },
  );
});
