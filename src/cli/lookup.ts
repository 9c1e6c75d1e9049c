// Finds resources by the names that people see, such as redis:7.0 or "Debian 12", instead of by UUID.
import type { Client } from '../client/client.ts';
import type { BaseImageDetailed } from '../contract/base-image.ts';
import { CommandFailed, EXIT } from './io.ts';
import { readAll } from './list.ts';
import { UUID } from './words.ts';

/** Returns the base image with this id or name. Throws CommandFailed. */
export async function getBaseImage(client: Client, name: string): Promise<BaseImageDetailed> {
  if (!UUID.test(name)) return await namedBaseImage(client, name);
  return await client.call('getBaseImage', { base_image_id: name });
}

async function namedBaseImage(client: Client, name: string) {
  const all = await readAll((at) => client.call('listBaseImages', { name, statuses: ['ACTIVE', 'DEPRECATED'], ...at }));
  const active = all.filter(({ status }) => status === 'ACTIVE');
  const items = active.length > 0 ? active : all;
  const exact = items.filter((image) => image.name.toLowerCase() === name.toLowerCase());
  const [found, second] = exact.length > 0 ? exact : items;
  if (found === undefined) throw new CommandFailed(`There is no base image ${name}; «larder base-images» lists them.`);
  if (second !== undefined) {
    const lines = (exact.length > 0 ? exact : items).map((image) => `  ${image.name}  ${image.id}`);
    throw new CommandFailed([`Several base images match ${name}; use an id:`, ...lines].join('\n'), EXIT.usage);
  }
  return found;
}

/** Returns the id of the registry with this id or name. */
export async function registryId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const all = await readAll((at) => client.call('listRegistries', { removed: false, ...at }));
  return onlyOne(namedLike(all, name), `registry ${name}`);
}

/** Returns the id of the operating system with this id, name (`Debian 12`) or distribution and version (`debian-12`). */
export async function operatingSystemId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const all = await readAll((at) => client.call('listOperatingSystems', at));
  const wanted = joined(name);
  const found = all.filter((one) => [joined(one.name), joined(`${one.distro}-${one.version}`)].includes(wanted));
  if (found.length > 0) return onlyOne(found, `operating system ${name}`);
  const names = all.map((one) => `${one.name} (${one.distro}-${one.version})`).join(', ');
  throw new CommandFailed(`There is no operating system ${name}; there are ${names || 'none'}.`);
}

/** Returns one spelling for `Debian 12`, `debian:12` and `debian-12`. */
function joined(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/[\s:_-]+/g, '-');
}

/** Returns the id of the organization's user with this id or name. */
export async function userId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const all = await readAll((at) => client.call('listUsers', { name, ...at }));
  return onlyOne(namedLike(all, name), `user ${name}`);
}

/** Returns the id of the API token with this id or name that was not revoked. */
export async function apiTokenId(client: Client, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const all = await readAll((at) => client.call('listApiTokens', at));
  return onlyOne(namedLike(all, name), `API token ${name}`);
}

type Found = { id: string; name: string };

function namedLike(all: readonly Found[], name: string): Found[] {
  return all.filter((one) => one.name.toLowerCase() === name.toLowerCase());
}

function onlyOne(items: readonly Found[], what: string): string {
  const [found, second] = items;
  if (found === undefined) throw new CommandFailed(`There is no ${what}.`);
  if (second === undefined) return found.id;
  const lines = items.map(({ id, name }) => `  ${name}  ${id}`);
  throw new CommandFailed([`There is more than one ${what}; use an id:`, ...lines].join('\n'), EXIT.usage);
}
