// The network of a client, to which the limits for addresses apply.
import { isIP } from 'node:net';
import { plainAddress } from '../egress/addresses.ts';

/**
 * Returns an IPv4 address unchanged, and an IPv6 address as its /64 network. A client with a /64 network can use all 2^64
 * addresses of it (RFC 6177, section 2).
 */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const [first, last] = [head, tail].map((half) => half.split(':').filter(Boolean)) as [string[], string[]];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  return `${[...first, ...zeros, ...last].slice(0, 4).join(':')}::/64`;
}
