// Whether a registered image can be built on as its owner said: for this machine's processor, of the system named, with packages to add to.
import type { ContentStore } from '../oci/content.ts';
import type { ImageConfig, Platform } from '../oci/descriptor.ts';
import { type ImageState, readFileOf } from './image-files.ts';

/** An operating system as the API names it: `{ name: 'Debian 12', distro: 'debian', version: '12' }`. */
export type DeclaredSystem = { name: string; distro: string; version: string };

/** os-release(5): the first of these that is there counts. In Debian the first is a link to the second, and links are not followed here. */
const OS_RELEASE = ['etc/os-release', 'usr/lib/os-release'];

/** What is wrong with the platform that an image's config names; undefined when it can run here, or says nothing. */
export function judgePlatform({ os, architecture }: Partial<ImageConfig>, here: Platform): string | undefined {
  const differs = (said: string | undefined, wanted: string) => said !== undefined && said !== '' && said !== wanted;
  if (!differs(os, here.os) && !differs(architecture, here.architecture)) return undefined;
  return `is for ${os ?? here.os}/${architecture ?? here.architecture}, and images are built for ${here.os}/${here.architecture} here.`;
}

/**
 * What is wrong with the system inside an image; undefined when it fits. An image that does not tell its system (os-release) is
 * believed; a derivative that says whose packages it takes (`ID_LIKE`) has versions of its own, and is believed too.
 */
export async function judgeSystem(
  content: ContentStore,
  image: ImageState,
  declared: DeclaredSystem,
): Promise<string | undefined> {
  const found = await systemOf(content, image);
  const { ID: id, ID_LIKE: like = '', VERSION_ID: version = '' } = found ?? {};
  if (id === undefined || id === '') return undefined;
  const differs = id === declared.distro ? version !== '' && version !== declared.version : !isLike(like, declared);
  if (!differs) return undefined;
  const told = found?.['PRETTY_NAME'] || `${id} ${version}`.trim();
  return `is ${told}, not ${declared.name}: register it with the operating system that it has.`;
}

function isLike(like: string, { distro }: DeclaredSystem): boolean {
  return like.split(/\s+/).includes(distro);
}

async function systemOf(content: ContentStore, image: ImageState): Promise<Record<string, string> | undefined> {
  for (const path of OS_RELEASE) {
    const bytes = await readFileOf(content, image, path);
    if (bytes !== undefined) return parseOsRelease(bytes.toString('utf8'));
  }
  return undefined;
}

/** Variables of os-release(5), without their quotes. */
function parseOsRelease(text: string): Record<string, string> {
  const lines = text.matchAll(/^([A-Z_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|(\S*))[ \t]*$/gm);
  return Object.fromEntries([...lines].map(([, name, double, single, bare]) => [name, double ?? single ?? bare ?? '']));
}
