// Decides which addresses are on the public Internet, and which other addresses the operator allows.
import { BlockList, isIP } from 'node:net';

/**
 * IPv4 networks that are not public: IANA's special-purpose registry, multicast, and 168.63.129.16, at which a cloud has its
 * metadata and agent service.
 */
const SPECIAL_V4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
/**
 * Networks in 2000::/3, the only allocated block of IPv6, that are not public. They are for documentation, or for tunnels
 * (Teredo, ORCHID, 6to4), which may lead to any address.
 */
const SPECIAL_V6: [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const special = new BlockList();
for (const [net, prefix] of SPECIAL_V4) {
  special.addSubnet(net, prefix, 'ipv4');
}
for (const [net, prefix] of SPECIAL_V6) {
  special.addSubnet(net, prefix, 'ipv6');
}
const allocated = new BlockList();
allocated.addSubnet('2000::', 3, 'ipv6');

/** Whether an address is on the public Internet. If an IPv6 address contains an IPv4 address, the IPv4 address decides. */
export function isPublicAddress(address: string): boolean {
  const plain = plainAddress(address);
  switch (isIP(plain)) {
    case 4:
      return !special.check(plain, 'ipv4');
    case 6:
      return allocated.check(plain, 'ipv6') && !special.check(plain, 'ipv6');
    default:
      return false;
  }
}

/** Whether an address is in 127.0.0.0/8 or is ::1, in any spelling. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

/**
 * Returns the canonical spelling of an address. It has no zone and a short IPv6 form. IPv4-mapped (RFC 4291) and NAT64 (RFC
 * 6052) addresses become IPv4 addresses.
 */
export function plainAddress(address: string): string {
  const [bare = ''] = address.split('%');
  if (isIP(bare) !== 6) {
    return bare;
  }
  const short = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const inner = /^(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (inner === null) {
    return /^64:ff9b::[0-9a-f]{0,4}$/.test(short) ? '0.0.0.0' : short;
  }
  const [high, low] = [Number.parseInt(inner[1] ?? '', 16), Number.parseInt(inner[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/**
 * A list of hosts: the hosts that the operator allows, or the hosts that are reached without the proxy. Items are addresses,
 * networks (CIDR), names, `.suffix` or `*.suffix`, and `*` for all.
 */
export type HostList = {
  hasName(host: string, port?: string): boolean;
  hasAddress(address: string): boolean;
};

/** The error for an item that is not an address, a network or a host name. */
class HostListError extends Error {
  override readonly name = 'HostListError';
  readonly code = 'HOST_LIST';

  constructor(item: string) {
    super(`${item} is not an address, a network or a host name`);
  }
}

/** Parses a list of hosts. Throws HostListError for an item that is not a host. */
export function parseHostList(items: string[]): HostList {
  const addresses = new BlockList();
  const names = new Set<string>();
  for (const item of items.map((text) => text.trim().toLowerCase()).filter((text) => text !== '')) {
    const [net = '', prefix, ...more] = item.replace(/^\[(.*)\]$/, '$1').split('/');
    if (isIP(net) !== 0 && more.length === 0) {
      addNetwork(addresses, { item, net, prefix });
    } else if (/^(\*|[*.a-z0-9_-]+(:\d+)?)$/.test(item)) {
      names.add(item.replace(/^\*\./, '.'));
    } else {
      throw new HostListError(item);
    }
  }
  return {
    hasName: (host, port) => namesFor(host, port).some((name) => names.has(name)),
    hasAddress: (address) => checkAddress(addresses, plainAddress(address)),
  };
}

function addNetwork(
  list: BlockList,
  { item, net, prefix }: { item: string; net: string; prefix: string | undefined },
): void {
  const version = isIP(net);
  const length = prefix === undefined ? (version === 4 ? 32 : 128) : Number(prefix);
  if (prefix !== undefined && !/^\d+$/.test(prefix)) {
    throw new HostListError(item);
  }
  try {
    list.addSubnet(net, length, version === 4 ? 'ipv4' : 'ipv6');
  } catch {
    throw new HostListError(item);
  }
}

function checkAddress(list: BlockList, plain: string): boolean {
  const version = isIP(plain);
  return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
}

/** Returns the items of a list that match a host: its name and each of its suffixes, both also with the port, and `*`. */
function namesFor(host: string, port?: string): string[] {
  const name = host.toLowerCase().replace(/\.$/, '');
  const labels = name.split('.');
  const suffixes = labels.slice(1).map((_, index) => `.${labels.slice(index + 1).join('.')}`);
  const all = [name, `.${name}`, ...suffixes];
  return ['*', ...all, ...(port === undefined ? [] : all.map((spelling) => `${spelling}:${port}`))];
}
