// Content discovery: tags, referrers, and the caller's repositories (distribution-spec 1.1, "Content Discovery").
import type { FastifyReply } from 'fastify';
import { MEDIA_TYPES } from '../oci/descriptor.ts';
import { isGranted } from './caller.ts';
import { scopeMissing } from './challenge.ts';
import { listReferrers, listTags } from './manifests.ts';
import { nextLink, type RegistryExchange, readDigest, readLimit, repositoryOf } from './registry-exchange.ts';
import { listRepositories } from './repositories.ts';

/** Names on a page; clients follow Link for more. */
const NAMES_MAX = 1_000;

/** Referrers on a page, and bytes of their descriptors: clients with a manifest limit of 4 MiB can read the index. */
const REFERRERS_MAX = 1_000;
const REFERRERS_BYTES_MAX = 3 * 1024 * 1024;

/** `tags/list?n=&last=`. */
export async function showTags(exchange: RegistryExchange<'tags'>): Promise<unknown> {
  const { context, query, reply } = exchange;
  const { name } = exchange.asked;
  const limit = readLimit(query, NAMES_MAX);
  const found = await listTags(context.ask, repositoryOf(exchange), { last: query.get('last'), limit: limit + 1 });
  const tags = found.slice(0, limit);
  linkNames(reply, tags, { path: `/v2/${name}/tags/list`, limit, more: found.length > limit });
  return await reply.type('application/json').send(JSON.stringify({ name, tags }));
}

/** `_catalog?n=&last=`: the organization's own repositories. */
export async function showCatalog(exchange: RegistryExchange<'catalog'>): Promise<unknown> {
  const { context, query, reply, caller, request } = exchange;
  if (!isGranted(caller, { type: 'registry', name: 'catalog', action: '*' })) {
    throw scopeMissing(context, request, 'registry:catalog:*');
  }
  const limit = readLimit(query, NAMES_MAX);
  const page = { organization_id: caller.organization_id, last: query.get('last'), limit: limit + 1 };
  const found = await listRepositories(context.ask, page);
  const repositories = found.slice(0, limit);
  linkNames(reply, repositories, { path: '/v2/_catalog', limit, more: found.length > limit });
  return await reply.type('application/json').send(JSON.stringify({ repositories }));
}

/** An empty page has no next page, even if more names follow ("When `n` is zero"). */
function linkNames(reply: FastifyReply, names: string[], page: { path: string; limit: number; more: boolean }): void {
  const last = names.at(-1);
  if (page.more && last !== undefined) {
    reply.header('link', nextLink(page.path, { n: String(page.limit), last }));
  }
}

/** `referrers/<digest>?artifactType=`: an index, empty if there are none. Never 404: clients would fall back to tags. */
export async function showReferrers(exchange: RegistryExchange<'referrers'>): Promise<unknown> {
  const { context, query, reply } = exchange;
  const subject = readDigest(exchange.asked.digest);
  const artifactType = query.get('artifactType');
  const page = { subject, artifactType, last: query.get('last'), bytesMax: REFERRERS_BYTES_MAX };
  const found = await listReferrers(context.ask, repositoryOf(exchange), { ...page, limit: REFERRERS_MAX });
  if (artifactType !== null) {
    reply.header('oci-filters-applied', 'artifactType');
  }
  const last = found.manifests.at(-1);
  if (found.more && last !== undefined) {
    const filter: Record<string, string> = artifactType === null ? {} : { artifactType };
    reply.header('link', nextLink(`/v2/${exchange.asked.name}/referrers/${subject}`, { ...filter, last: last.digest }));
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: found.manifests };
  // As bytes: the server would add a charset to text, and clients compare the whole type.
  return await reply.header('content-type', MEDIA_TYPES.index).send(Buffer.from(JSON.stringify(index)));
}
