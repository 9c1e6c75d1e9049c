// A process has a number of slots, such as permissions to upload. One organization may hold only a share of them at a time, and
// so may one address.
import { networkOf } from './network.ts';

export type ShareLimits = {
  /** The most slots that one organization may hold. */
  organization: number;
  /**
   * The most slots that clients at one address may hold. An IPv6 address counts as its /64 network. An organization without a
   * slot gets one even above this limit.
   */
  address: number;
  /** When this many slots of the process are held, only organizations without a slot get one. */
  shared: number;
  /** All slots of the process. The slots above `shared` are reserved for organizations without a slot. */
  process: number;
};

export type Holder = { organization_id: string; address: string };

/** The limit that was reached, so that no slot was given. */
export type ReachedLimit = { by: 'organization' | 'address' | 'process'; limit: number };

export type Taken = { release(): void } | { reached: ReachedLimit };

export type Shares = { take(holder: Holder): Taken };

/**
 * Counts the slots that are held in this process. An organization without a slot gets one while the process has a free slot.
 * So no other organization and no other client at the same address can block it.
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

/** Removes keys whose count is zero, so that a client with very many addresses cannot use up the memory. */
function add(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
