// The network of a client. Limits for addresses apply to it.
import { isIP } from 'node:net';
import { plainAddress } from '../egress/addresses.ts';

/**
 * Returns an IPv4 address as it is and an IPv6 address as its /64 network, because a client with a /64 network has all 2^64
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
