// Checks that an image of a registry has the declared platform and operating system, and the programs that builds run.
import type { ContentStore } from '../../content/content.ts';
import type { ImageConfig, Platform } from '../../oci/descriptor.ts';
import { printable } from '../../tar/header.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';
import { IMAGE_PATH } from './image.ts';
import { type ImageState, OS_RELEASE, readFileOf } from './image-files.ts';
import { findFile, findProgram } from './listed-files.ts';

/**
 * An operating system in the words of the API: `{ name: 'Debian 12', distro: 'debian', version: '12', codename: 'bookworm'
 * }`.
 */
export type DeclaredSystem = { name: string; distro: string; version: string; codename: string };

/**
 * Programs that builds and dpkg(1) run in every image. Without them, no product can be installed. Programs of packages that
 * Debian marks as essential are omitted, because each recipe is tested on a base image with these packages.
 */
export const NEEDED_PROGRAMS = [
  'sh',
  'dpkg',
  'dpkg-deb',
  'tar',
  'mkdir',
  'chmod',
  'chown',
  'rm',
  'cat',
  'ln',
  'grep',
  'sed',
  'perl',
];

/**
 * Returns the fault of the platform in an image's config. Returns undefined if this machine can run the image, or if the
 * config names no platform.
 */
export function checkPlatform({ os, architecture }: Partial<ImageConfig>, here: Platform): string | undefined {
  const differs = (said: string | undefined, wanted: string) => said !== undefined && said !== '' && said !== wanted;
  if (!differs(os, here.os) && !differs(architecture, here.architecture)) return undefined;
  return `is for ${os ?? here.os}/${architecture ?? here.architecture}, and this installation builds images for ${here.os}/${here.architecture}.`;
}

/**
 * Returns the fault of the operating system of an image, or undefined if it is the declared one. A derivative, which names
 * the declared distribution only in `ID_LIKE`, is rejected. Its packages may not work together with packages of the declared
 * distribution.
 */
export async function checkSystem(
  content: ContentStore,
  image: ImageState,
  declared: DeclaredSystem,
): Promise<string | undefined> {
  const found = await systemOf(content, image);
  if (found === undefined)
    return `has no os-release (${OS_RELEASE.join(', ')}), so it cannot be recognized as ${declared.name}.`;
  const { ID: id = '', VERSION_ID: version = '', VERSION_CODENAME: codename = '' } = found;
  if (id === '') return `has an os-release without ID, so it cannot be recognized as ${declared.name}.`;
  const isVersion = version === '' ? codename === declared.codename : version === declared.version;
  if (id === declared.distro && isVersion) return undefined;
  const told = found['PRETTY_NAME'] || `${id} ${version || codename}`.trim();
  const fields = Object.entries({ ID: id, VERSION_ID: version, VERSION_CODENAME: codename }).filter(
    ([, value]) => value !== '',
  );
  const shown = fields.map(([name, value]) => `${name}=${value}`).join(', ');
  return `is ${printable(told)}, not ${declared.name}: its os-release says ${printable(shown)}, and ${declared.name} is ID=${declared.distro}, VERSION_ID=${declared.version}.`;
}

async function systemOf(content: ContentStore, image: ImageState): Promise<Record<string, string> | undefined> {
  for (const path of OS_RELEASE) {
    const file = findFile(image.listing, path);
    const bytes = file && (await readFileOf(content, image, file.path));
    if (bytes !== undefined) return parseOsRelease(bytes.toString('utf8'));
  }
  return undefined;
}

/** Returns the variables of an os-release(5) file, without quotes around values. */
function parseOsRelease(text: string): Record<string, string> {
  const lines = text.matchAll(/^([A-Z_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|(\S*))[ \t]*$/gm);
  return Object.fromEntries([...lines].map(([, name, double, single, bare]) => [name, double ?? single ?? bare ?? '']));
}

/**
 * Returns the end of a sentence that names the missing programs of `NEEDED_PROGRAMS`. Returns undefined if none is missing.
 * `ownPath` is the PATH in the image's config. Builds do not search `ownPath`, so the sentence also names programs that are
 * only in its folders.
 */
export function checkPrograms(listing: MergedListing, ownPath = IMAGE_PATH): string | undefined {
  const missing = NEEDED_PROGRAMS.filter((name) => findProgram(listing, name) === undefined);
  if (missing.length === 0) return undefined;
  const own = missing.filter((name) => findProgram(listing, name, ownPath) !== undefined);
  const advice =
    own.length === 0
      ? ''
      : ` Its own PATH (${printable(ownPath)}) contains ${own.join(', ')}, but builds do not use this PATH: link ${own.join(', ')} into a folder of the PATH of builds.`;
  return `has no ${missing.join(', no ')}, which every build runs, in the PATH of builds (${IMAGE_PATH}).${advice}`;
}
