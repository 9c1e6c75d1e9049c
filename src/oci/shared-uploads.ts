// Copies that run together send a blob to a registry once: one uploads, the others wait and mount.
import type { Digest } from './descriptor.ts';
import type { MountResult } from './target.ts';

export type Placed = 'sent' | 'mounted' | 'present';

export interface SharedUploads {
  /**
   * Brings a blob to `place`: by `send` when nobody has brought it to this registry yet, otherwise by `mount` from where
   * it is. When the sender fails, one of those who wait sends.
   */
  place(
    digest: Digest,
    place: { registry: string; repository: string },
    how: { send: () => Promise<Placed>; mount: (from: string) => Promise<MountResult> },
  ): Promise<Placed>;
}

/** Homes that are remembered; the oldest give way, and their blobs are looked for or sent again. */
const HOMES_MAX = 10_000;

/** One value for all copies that may send the same blobs. */
export function createSharedUploads(): SharedUploads {
  const homes = new Map<string, Promise<string>>();

  function sendFirst(key: string, repository: string, send: () => Promise<Placed>): Promise<Placed> {
    const sending = send();
    const home = sending.then(() => repository);
    homes.delete(key);
    homes.set(key, home);
    const [oldest] = homes.keys();
    if (oldest !== undefined && homes.size > HOMES_MAX) {
      homes.delete(oldest);
    }
    home.catch(() => homes.get(key) === home && homes.delete(key));
    return sending;
  }

  return {
    async place(digest, { registry, repository }, { send, mount }) {
      const key = `${registry} ${digest}`;
      for (;;) {
        const home = homes.get(key);
        if (home === undefined) {
          return await sendFirst(key, repository, send);
        }
        const from = await home.catch(() => undefined);
        if (from === repository) {
          return 'present';
        }
        if (from !== undefined) {
          return (await mount(from)) === 'mounted' ? 'mounted' : await sendFirst(key, repository, send);
        }
      }
    },
  };
}
