// Shares of a scarce resource of a process: how many one organization and one address may hold at a time.
import { networkOf } from './network.ts';

export type ShareLimits = {
  /** Shares that one organization may hold. */
  organization: number;
  /** Shares that clients of one address (IPv6: of one /64) may hold. An organization's first share is always given. */
  address: number;
  /** From this total on, an organization gets only its first share. */
  shared: number;
  /** Shares of the process. Those above `shared` are reserved for organizations that hold none. */
  process: number;
};

export type Holder = { organization_id: string; address: string };

/** The limit that was reached. */
export type ReachedLimit = { by: 'organization' | 'address' | 'process'; limit: number };

export type Taken = { release(): void } | { reached: ReachedLimit };

export type Shares = { take(holder: Holder): Taken };

/**
 * Counts the shares held in this process. An organization that holds none gets one as long as the process has any left, so that
 * neither another organization nor another client at the same address can block it.
 */
export function openShares(limits: ShareLimits): Shares {
  const organizations = new Map<string, number>();
  const addresses = new Map<string, number>();
  let held = 0;
  const reachedBy = (organization: string, network: string): ReachedLimit | undefined => {
    const own = organizations.get(organization) ?? 0;
    if (own >= limits.organization) return { by: 'organization', limit: limits.organization };
    if (own > 0 && (addresses.get(network) ?? 0) >= limits.address) return { by: 'address', limit: limits.address };
    const limit = own > 0 ? limits.shared : limits.process;
    return held >= limit ? { by: 'process', limit } : undefined;
  };
  const count = (organization: string, network: string, change: 1 | -1) => {
    held += change;
    add(organizations, organization, change);
    add(addresses, network, change);
  };
  return {
    take({ organization_id, address }) {
      const network = networkOf(address);
      const reached = reachedBy(organization_id, network);
      if (reached !== undefined) return { reached };
      count(organization_id, network, 1);
      let released = false;
      const release = () => {
        if (!released) count(organization_id, network, -1);
        released = true;
      };
      return { release };
    },
  };
}

/** Keys with a count of zero are removed, so that very many addresses do not use up memory. */
function add(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
