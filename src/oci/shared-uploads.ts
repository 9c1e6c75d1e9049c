// Sends a blob to a registry only once for copies that run together. One copy uploads the blob, and the others wait and then
// mount it.
import type { Digest } from './descriptor.ts';
import type { MountResult } from './target.ts';

export type Placed = 'sent' | 'mounted' | 'present';

export type Place = { registry: string; repository: string };

export interface SharedUploads {
  /**
   * Puts a blob into `place`, unless it is already there. Calls `send` if no repository of the registry has the blob, and
   * otherwise `mount` with a repository that has it. If the copy that sends fails, one of the waiting copies sends.
   */
  place(
    digest: Digest,
    place: Place,
    how: { send: () => Promise<Placed>; mount: (from: string) => Promise<MountResult> },
  ): Promise<Placed>;
  /** Records that a repository has a blob. */
  note(digest: Digest, place: Place): void;
}

/**
 * The most blobs for which a repository is remembered. The oldest blobs are dropped, and later copies check or send them
 * again.
 */
const HOLDERS_MAX = 10_000;
/** The most pairs of a blob and a repository that has it. A pair takes about 200 bytes. */
const HELD_MAX = 50_000;

/**
 * Returns an object that copies of the same blobs share. If a remembered blob was deleted from the registry, the copy notices
 * this.
 */
export function createSharedUploads(): SharedUploads {
  const holders = new Map<string, Promise<string>>();
  const held = new Map<string, true>();

  function sendFirst(key: string, repository: string, send: () => Promise<Placed>): Promise<Placed> {
    const sending = send();
    const holder = sending.then(() => repository);
    remember(holders, { key, value: holder, most: HOLDERS_MAX });
    holder.catch(() => holders.get(key) === holder && holders.delete(key));
    return sending;
  }

  async function placeOnce(
    key: string,
    repository: string,
    { send, mount }: { send: () => Promise<Placed>; mount: (from: string) => Promise<MountResult> },
  ): Promise<Placed> {
    for (;;) {
      const holder = holders.get(key);
      if (holder === undefined) {
        return await sendFirst(key, repository, send);
      }
      const from = await holder.catch(() => undefined);
      if (from === repository) {
        return 'present';
      }
      if (from !== undefined) {
        return (await mount(from)) === 'mounted' ? 'mounted' : await sendFirst(key, repository, send);
      }
    }
  }

  function note(digest: Digest, { registry, repository }: Place): void {
    remember(held, { key: `${registry} ${repository} ${digest}`, value: true, most: HELD_MAX });
  }

  return {
    note,
    async place(digest, place, how) {
      const { registry, repository } = place;
      if (held.has(`${registry} ${repository} ${digest}`)) {
        return 'present';
      }
      const placed = await placeOnce(`${registry} ${digest}`, repository, how);
      note(digest, place);
      return placed;
    },
  };
}

function remember<Value>(map: Map<string, Value>, added: { key: string; value: Value; most: number }): void {
  map.delete(added.key);
  map.set(added.key, added.value);
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size > added.most) {
    map.delete(oldest);
  }
}
