// The network of a client's address, the unit of limits per address.
import { isIP } from 'node:net';
import { plainAddress } from '../egress/addresses.ts';

/** Returns the IPv4 address, or the /64 of an IPv6 address, whose holder has all 2^64 addresses of this network (RFC 6177, section 2). */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const [first, last] = [head, tail].map((half) => half.split(':').filter(Boolean)) as [string[], string[]];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  return `${[...first, ...zeros, ...last].slice(0, 4).join(':')}::/64`;
}
