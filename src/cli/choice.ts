// Finds the offerings and the base image of a request by the names that people type.
import type { Client } from '../client/client.ts';
import type { BaseImageDetailed } from '../contract/base-image.ts';
import type { ApplicationOffering } from '../contract/offering.ts';
import { BASE_IMAGES_OF, type PackagingType } from '../contract/vocabulary.ts';
import { CommandFailed, EXIT } from './io.ts';
import { readAll } from './list.ts';
import { getBaseImage } from './lookup.ts';
import { typedAs, UUID } from './words.ts';

export type Choice = { base: BaseImageDetailed; offeringIds: string[] };
type ChoiceOptions = { names: string[]; baseImage: string | undefined; type: PackagingType };
type Named = { name: string; offerings: ApplicationOffering[] };

/**
 * Finds the offerings with these names, and the base image. The base image is the one with the given name. Without a name, it
 * is the only base image on which all offerings can be built. Throws CommandFailed.
 */
export async function chooseApplications(client: Client, { names, baseImage, type }: ChoiceOptions): Promise<Choice> {
  const bases = baseImage === undefined ? await baseImagesFor(client, type) : [await getBaseImage(client, baseImage)];
  const named = await Promise.all(names.map((name) => offeringsOf(client, name, type)));
  const fitting = bases.filter((base) => named.every(({ offerings }) => offerings.some((one) => fits(one, base))));
  const [base, second] = fitting;
  if (base === undefined) throw nothingFits(named, bases, baseImage !== undefined);
  if (second !== undefined) throw severalFit(named, fitting);
  return { base, offeringIds: named.map((one) => onlyOffering(one, base).id) };
}

/**
 * Whether the offering exists for the operating system of the base image. Returns true if this operating system is unknown,
 * because the server then decides.
 */
function fits({ operating_systems }: ApplicationOffering, { operating_system }: BaseImageDetailed): boolean {
  return operating_system === undefined || operating_systems.some(({ id }) => id === operating_system.id);
}

async function offeringsOf(client: Client, name: string, type: PackagingType): Promise<Named> {
  if (UUID.test(name)) return { name, offerings: [await client.call('getOffering', { offering_id: name })] };
  const [product_key = '', branch] = name.split(':', 2);
  const filter = { product_key, statuses: ['ENABLED' as const], packaging_types: [type] };
  const items = await readAll((at) => client.call('listOfferings', { ...filter, ...at }));
  if (items.length === 0) {
    const what = type === 'CONTAINER_IMAGE' ? '' : ` as ${typedAs(type)}`;
    throw new CommandFailed(
      `There is no product ${product_key}${what} to request; «larder offerings» lists the offerings.`,
    );
  }
  const offerings = branch === undefined ? items : items.filter((one) => one.branch === branch);
  if (offerings.length === 0) {
    throw new CommandFailed(
      `There is no branch ${branch} of ${product_key}; there is ${items.map(textOf).join(', ')}.`,
    );
  }
  return { name, offerings };
}

async function baseImagesFor(client: Client, type: PackagingType): Promise<BaseImageDetailed[]> {
  const filter = { packaging_type: BASE_IMAGES_OF[type], statuses: ['ACTIVE' as const] };
  return await readAll((at) => client.call('listBaseImages', { ...filter, ...at }));
}

function nothingFits(named: readonly Named[], bases: readonly BaseImageDetailed[], given: boolean): CommandFailed {
  const lines = named.map(({ name, offerings }) => `  ${name}: there is ${offerings.map(textOf).join(', ')}`);
  const what =
    given && bases[0] !== undefined
      ? `Not all of these can be built on ${bases[0].name}`
      : 'No base image fits all of these';
  return new CommandFailed([`${what}:`, ...lines].join('\n'));
}

function severalFit(named: readonly Named[], bases: readonly BaseImageDetailed[]): CommandFailed {
  const lines = bases.map((base) => {
    const all = named.flatMap(({ offerings }) => offerings.filter((one) => fits(one, base)));
    const health = base.healthy === false ? ' (cannot be read)' : '';
    const found = all.map(({ product, branch }) => `${product.key}:${branch}`).join(', ');
    return `  ${base.name}${health}: ${found}  ${base.id}`;
  });
  const message = 'Several base images fit; name one of them with --base-image, by name or id:';
  return new CommandFailed([message, ...lines].join('\n'), EXIT.usage);
}

function onlyOffering({ name, offerings }: Named, base: BaseImageDetailed): ApplicationOffering {
  const [found, ...others] = offerings.filter((one) => fits(one, base));
  if (found === undefined) throw new CommandFailed(`There is no ${name} for ${base.name}.`);
  if (others.length === 0) return found;
  const all = [found, ...others].map(({ product, branch }) => `${product.key}:${branch}`);
  throw new CommandFailed(
    `There are several branches of ${name} for ${base.name}; name one of them: ${all.join(', ')}`,
    EXIT.usage,
  );
}

function textOf({ product, branch, operating_systems }: ApplicationOffering): string {
  return `${product.key}:${branch} for ${operating_systems.map(({ name }) => name).join(' and ')}`;
}
