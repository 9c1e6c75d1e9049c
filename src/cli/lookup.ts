// Lets people name things by what they see instead of by UUID: redis:7.0, "Debian 12".
import type { Client } from '../client/client.ts';
import type { Output } from '../contract/endpoints.ts';
import { PAGE_SIZE_MAX } from '../contract/limits.ts';
import { CommandFailed } from './io.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The id of an offering named by id, `product` or `product:branch`, on an operating system. */
export async function offeringId(client: Client, name: string, operatingSystemId: string | undefined): Promise<string> {
  if (UUID.test(name)) return name;
  const [product_key = '', branch] = name.split(':', 2);
  const { items } = await client.call('listOfferings', {
    product_key,
    statuses: ['ENABLED'],
    packaging_types: ['CONTAINER_IMAGE'],
    page_size: PAGE_SIZE_MAX,
    ...(branch === undefined ? {} : { branch }),
    ...(operatingSystemId === undefined ? {} : { operating_system_id: operatingSystemId }),
  });
  if (items.length > 1) {
    const branches = items.map((offering) => `${product_key}:${offering.branch}`).join(', ');
    throw new CommandFailed(`There are several branches of ${product_key}; name one of them: ${branches}`);
  }
  return onlyOne(items, `offering ${name} for this base image`);
}

/** The base image named by id or name, with its operating system. */
export async function baseImage(client: Client, name: string): Promise<{ id: string; operatingSystemId?: string }> {
  const found = UUID.test(name)
    ? await client.call('getBaseImage', { base_image_id: name })
    : await namedBaseImage(client, name);
  const operatingSystemId = found.operating_system?.id;
  return { id: found.id, ...(operatingSystemId === undefined ? {} : { operatingSystemId }) };
}

async function namedBaseImage(client: Client, name: string) {
  const { items } = await client.call('listBaseImages', { name, statuses: ['ACTIVE'], page_size: PAGE_SIZE_MAX });
  const exact = items.filter((image) => image.name.toLowerCase() === name.toLowerCase());
  const [found, second] = exact.length > 0 ? exact : items;
  if (found === undefined) throw new CommandFailed(`There is no base image ${name}`);
  if (second !== undefined) throw new CommandFailed(`There are several base images ${name}; use an id`);
  return found;
}

/** The id of a registry named by id or name. */
export async function registryId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const { items } = await client.call('listRegistries', { removed: false, page_size: PAGE_SIZE_MAX });
  return onlyOne(
    items.filter((registry) => registry.name.toLowerCase() === name.toLowerCase()),
    `registry ${name}`,
  );
}

/** The id of a user of the organization named by id or name. */
export async function userId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const { items } = await client.call('listUsers', { name, page_size: PAGE_SIZE_MAX });
  return onlyOne(
    items.filter((user) => user.name.toLowerCase() === name.toLowerCase()),
    `user ${name}`,
  );
}

/** The id of an API token that was not revoked, named by id or name. */
export async function apiTokenId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const found: { id: string }[] = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const { items, total_pages }: Output<'listApiTokens'> = await client.call('listApiTokens', {
      page,
      page_size: PAGE_SIZE_MAX,
    });
    found.push(...items.filter((token) => token.name.toLowerCase() === name.toLowerCase()));
    pages = total_pages;
  }
  return onlyOne(found, `API token ${name}`);
}

function onlyOne(items: readonly { id: string }[], what: string): string {
  const [found, second] = items;
  if (found === undefined) throw new CommandFailed(`There is no ${what}`);
  if (second !== undefined) throw new CommandFailed(`There are several: ${what}; use an id`);
  return found.id;
}
