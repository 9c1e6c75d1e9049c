// Uploads a blob once and mounts it in other repositories, even if the first upload fails.
import { expect, it } from 'vitest';
import type { Digest } from './descriptor.ts';
import { createSharedUploads, type Placed } from './shared-uploads.ts';

const DIGEST: Digest = `sha256:${'0'.repeat(64)}`;
const at = (repository: string, registry = 'https://r') => ({ registry, repository });

it('lets another copy send if the sender fails, and mounts the rest from its repository', async () => {
  const uploads = createSharedUploads();
  const acts: string[] = [];
  const first = Promise.withResolvers<Placed>();
  const copy = (repository: string, send: () => Promise<Placed>) =>
    uploads.place(DIGEST, at(repository), {
      send,
      async mount(from) {
        acts.push(`${repository} from ${from}`);
        return 'mounted';
      },
    });
  const sends = async (): Promise<Placed> => 'sent';
  const copies = [copy('a', () => first.promise), copy('b', sends), copy('c', sends)];
  first.reject(new Error('connection lost'));
  const results = await Promise.allSettled(copies);
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual([
    'failed',
    'sent',
    'mounted',
  ]);
  expect(acts).toEqual(['c from b']);
  expect(await copy('b', sends)).toBe('present');
});

it('sends the blob if a mount is rejected, and remembers the newer repository', async () => {
  const uploads = createSharedUploads();
  const rejecting = { send: async (): Promise<Placed> => 'sent', mount: async () => 'rejected' as const };
  expect(await uploads.place(DIGEST, at('a'), rejecting)).toBe('sent');
  expect(await uploads.place(DIGEST, at('b'), rejecting)).toBe('sent');
  expect(await uploads.place(DIGEST, at('b'), rejecting)).toBe('present');
});

it('sends nothing to a repository that has the blob', async () => {
  const uploads = createSharedUploads();
  const acts: string[] = [];
  const how = {
    async send(): Promise<Placed> {
      acts.push('send');
      return 'sent';
    },
    async mount() {
      acts.push('mount');
      return 'mounted' as const;
    },
  };
  uploads.note(DIGEST, at('told'));
  const repositories = ['told', 'a', 'b', 'a', 'b'];
  const placed = [];
  for (const repository of repositories) {
    placed.push(await uploads.place(DIGEST, at(repository), how));
  }
  expect(placed).toEqual(['present', 'sent', 'mounted', 'present', 'present']);
  expect(acts).toEqual(['send', 'mount']);
});

it('sends a blob to each registry', async () => {
  const uploads = createSharedUploads();
  const how = { send: async (): Promise<Placed> => 'sent', mount: async () => 'mounted' as const };
  expect(await uploads.place(DIGEST, at('a'), how)).toBe('sent');
  expect(await uploads.place(DIGEST, at('a', 'https://other'), how)).toBe('sent');
});
