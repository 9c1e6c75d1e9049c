// Links at every component of every path on which a sandbox mounts or to which it writes. The links are in the image before
// the sandbox opens, or a script makes them between two commands. The machine must not change.
import { describe, expect, test } from 'vitest';
import type { TarInput } from '../../src/tar/entry.ts';
import { entry } from '../fixtures/tar.ts';
import { attempt, openGround, placeCanary, USER, ways } from './attempts.ts';

/**
 * Paths on which sandboxes mount, or to which they write before the image's own programs run. These are folders, and files in
 * them.
 */
const FOLDERS = ['proc', 'dev', '.larder', 'etc', 'run', 'tmp', 'oldroot', 'newroot'];
const INNER = [
  'proc/self',
  'dev/shm',
  'dev/null',
  '.larder/given',
  '.larder/ld.so',
  'etc/hosts',
  'run/larder',
  'tmp/x',
];
const PLACES = [...INNER, ...FOLDERS];

/** Targets of the links, by a description. Most of them point to `folder`, which is on this machine. */
const TARGETS: Record<string, (folder: string) => string> = {
  absolute: (folder) => folder,
  'absolute, through the old root': (folder) => `/oldroot${folder}`,
  'relative, far up': (folder) => `${'../'.repeat(12)}${folder.slice(1)}`,
  'relative, through the old root': (folder) => `${'../'.repeat(12)}oldroot${folder}`,
  'through its own root': (folder) => `/proc/self/root${folder}`,
  'through the root of the first process': (folder) => `/proc/1/root${folder}`,
  'through an open folder': (folder) => `/proc/self/cwd${folder}`,
  'a file': (folder) => `/oldroot${folder}/file`,
  'a path that does not exist': (folder) => `/oldroot${folder}/new`,
  'a loop': () => 'loop',
  nothing: () => '/no/such/place',
};

function planted(places: string[], target: string): TarInput[] {
  return places.map((place) => entry(place, { type: 'symlink', target, mode: 0o777 }));
}

// The watchdog is omitted, because mounts do not depend on how limits are enforced.
for (const way of ways().filter(({ name }) => !name.endsWith('watchdog'))) {
  describe(way.name, () => {
    for (const [kind, targetOf] of Object.entries(TARGETS)) {
      test(`an image with links (${kind}) at its mount points`, async () => {
        using canary = placeCanary();
        const before = canary.state();
        await using ground = await openGround(way);
        for (const places of [FOLDERS, INNER]) {
          await using sandbox = await ground.open({ entries: planted(places, targetOf(canary.folder)) });
          for (const user of [undefined, USER]) {
            const outcome = await attempt(
              sandbox,
              'cat /.larder/given && [ -e /proc/self/stat ] && echo > /dev/null && echo runs',
              {
                ...(user && { user }),
              },
            );
            expect(outcome.output).toContain('givenruns');
          }
          expect(canary.state()).toBe(before);
        }
      });

      test(`a script that puts links (${kind}) in place of mount points`, async () => {
        using canary = placeCanary();
        const before = canary.state();
        await using ground = await openGround(way);
        await using sandbox = await ground.open();
        const target = targetOf(canary.folder);
        const plant = PLACES.map(
          (place) =>
            `mv /${place} /gone.$$ 2>/dev/null; rm -rf /${place} 2>/dev/null; mkdir -p "$(dirname /${place})"; ln -s '${target}' /${place} 2>/dev/null`,
        );
        await attempt(sandbox, [...plant, 'true'].join('\n'));
        // After that, the folders above the mount points are also replaced by links.
        await attempt(sandbox, `for name in etc run var srv; do mv /$name /$name.gone; ln -s '${target}' /$name; done`);
        for (const user of [undefined, USER]) {
          const outcome = await attempt(
            sandbox,
            'cat /.larder/given; [ -e /proc/self/stat ] && echo runs; echo x > /dev/null; echo x > /etc/hosts; true',
            {
              ...(user && { user }),
            },
          );
          expect(outcome.output).toContain('givenruns');
        }
        expect(canary.state()).toBe(before);
        for await (const _chunk of sandbox.capture()) {
          // Reads the capture to its end, because the capture must not follow a link either.
        }
        expect(canary.state()).toBe(before);
      });
    }

    test('a lower layer that contains only links', async () => {
      using canary = placeCanary();
      const before = canary.state();
      await using ground = await openGround(way);
      const places = ['etc2', 'lost+found', 'mnt', 'root', 'home', 'sys'];
      const entries = planted(places, `/oldroot${canary.folder}`);
      await using sandbox = await ground.open({ entries });
      await attempt(sandbox, 'for name in /*; do echo x > $name/escaped; done');
      expect(canary.state()).toBe(before);
    });
  });
}
