// Lets people name things by what they see instead of by UUID: redis:7.0, "Debian 12".
import type { Client } from '../client/client.ts';
import type { BaseImageDetailed } from '../contract/base-image.ts';
import type { Output } from '../contract/endpoints.ts';
import { PAGE_SIZE_MAX } from '../contract/limits.ts';
import { CommandFailed, EXIT } from './io.ts';

/** How ids look. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The base image named by id or name. Throws CommandFailed. */
export async function getBaseImage(client: Client, name: string): Promise<BaseImageDetailed> {
  if (!UUID.test(name)) return await namedBaseImage(client, name);
  return await client.call('getBaseImage', { base_image_id: name });
}

async function namedBaseImage(client: Client, name: string) {
  const { items } = await client.call('listBaseImages', { name, statuses: ['ACTIVE'], page_size: PAGE_SIZE_MAX });
  const exact = items.filter((image) => image.name.toLowerCase() === name.toLowerCase());
  const [found, second] = exact.length > 0 ? exact : items;
  if (found === undefined) throw new CommandFailed(`There is no base image ${name}; «larder base-images» lists them.`);
  if (second !== undefined) {
    const lines = (exact.length > 0 ? exact : items).map((image) => `  ${image.name}  ${image.id}`);
    throw new CommandFailed([`Several base images match ${name}; use an id:`, ...lines].join('\n'), EXIT.usage);
  }
  return found;
}

/** The id of a registry named by id or name. */
export async function registryId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const found: Found[] = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const wish = { removed: false, page, page_size: PAGE_SIZE_MAX };
    const { items, total_pages }: Output<'listRegistries'> = await client.call('listRegistries', wish);
    found.push(...items.filter((registry) => registry.name.toLowerCase() === name.toLowerCase()));
    pages = total_pages;
  }
  return onlyOne(found, `registry ${name}`);
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
  const found: Found[] = [];
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

type Found = { id: string; name: string };

function onlyOne(items: readonly Found[], what: string): string {
  const [found, second] = items;
  if (found === undefined) throw new CommandFailed(`There is no ${what}`);
  if (second === undefined) return found.id;
  const lines = items.map(({ id, name }) => `  ${name}  ${id}`);
  throw new CommandFailed([`There is more than one ${what}; use an id:`, ...lines].join('\n'), EXIT.usage);
}
