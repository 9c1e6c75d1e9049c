// Upload once, then mount: also when the one who uploads fails.
import { expect, it } from 'vitest';
import type { Digest } from './descriptor.ts';
import { createSharedUploads, type Placed } from './shared-uploads.ts';

const DIGEST: Digest = `sha256:${'0'.repeat(64)}`;
const at = (repository: string, registry = 'https://r') => ({ registry, repository });

it('lets another send when the sender fails, and the rest mount from there', async () => {
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

it('sends where a mount is rejected, and remembers the newer home', async () => {
  const uploads = createSharedUploads();
  const rejecting = { send: async (): Promise<Placed> => 'sent', mount: async () => 'rejected' as const };
  expect(await uploads.place(DIGEST, at('a'), rejecting)).toBe('sent');
  expect(await uploads.place(DIGEST, at('b'), rejecting)).toBe('sent');
  expect(await uploads.place(DIGEST, at('b'), rejecting)).toBe('present');
});

it('brings nothing where it brought it before, or was told that it is', async () => {
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

it('keeps registries apart', async () => {
  const uploads = createSharedUploads();
  const how = { send: async (): Promise<Placed> => 'sent', mount: async () => 'mounted' as const };
  expect(await uploads.place(DIGEST, at('a'), how)).toBe('sent');
  expect(await uploads.place(DIGEST, at('a', 'https://other'), how)).toBe('sent');
});
