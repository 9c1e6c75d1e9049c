// The files that Larder requires in a base image. The programs are empty, because these tests do not run them.
import { NEEDED_PROGRAMS } from '../src/packaging/image/base-system.ts';
import type { TarInput } from '../src/tar/entry.ts';
import { entry } from './fixtures/tar.ts';

/** A package database with one package. */
export const DPKG_STATUS_FILE: TarInput = entry('var/lib/dpkg/status', {
  content: 'Package: base-files\nStatus: install ok installed\nVersion: 12\nArchitecture: all\n\n',
});

export const OS_RELEASE_FILE: TarInput = entry('usr/lib/os-release', {
  content: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n',
});

export const PROGRAM_FILES: readonly TarInput[] = NEEDED_PROGRAMS.map((name) =>
  entry(`usr/bin/${name}`, { content: '', mode: 0o755 }),
);

/** The files for which an image is accepted as Debian 12. */
export const DEBIAN_FILES: readonly TarInput[] = [DPKG_STATUS_FILE, OS_RELEASE_FILE, ...PROGRAM_FILES];

/** Debian 12, as operating-systems.yaml declares it. */
export const DEBIAN_12 = { name: 'Debian 12', distro: 'debian', version: '12', codename: 'bookworm' };
