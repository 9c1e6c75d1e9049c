// Content discovery: lists tags, referrers, and the caller's repositories (distribution-spec 1.1, "Content Discovery").
import type { FastifyReply } from 'fastify';
import { MEDIA_TYPES } from '../oci/descriptor.ts';
import { isGranted } from './caller.ts';
import { scopeMissing } from './challenge.ts';
import { listReferrers, listTags } from './manifests.ts';
import { nextLink, type RegistryExchange, readDigest, readLimit, repositoryOf } from './registry-exchange.ts';
import { listRepositories } from './repositories.ts';

/** The most names on a page. Clients follow the Link header to the next page. */
const NAMES_MAX = 1_000;

/**
 * The most referrers on a page, and the most bytes of their descriptors. With these limits, a client that reads manifests up
 * to 4 MiB can read the index.
 */
const REFERRERS_MAX = 1_000;
const REFERRERS_BYTES_MAX = 3 * 1024 * 1024;

/** Answers `tags/list?n=&last=`. */
export async function showTags(exchange: RegistryExchange<'tags'>): Promise<unknown> {
  const { context, query, reply } = exchange;
  const { name } = exchange.asked;
  const limit = readLimit(query, NAMES_MAX);
  const found = await listTags(context.ask, repositoryOf(exchange), { last: query.get('last'), limit: limit + 1 });
  const tags = found.slice(0, limit);
  linkNames(reply, tags, { path: `/v2/${name}/tags/list`, limit, more: found.length > limit });
  return await reply.type('application/json').send(JSON.stringify({ name, tags }));
}

/** Answers `_catalog?n=&last=` with the repositories of the caller's organization. */
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

/**
 * Adds the Link header with the next page. An empty page has no Link header, even if more names follow (distribution-spec,
 * "When `n` is zero").
 */
function linkNames(reply: FastifyReply, names: string[], page: { path: string; limit: number; more: boolean }): void {
  const last = names.at(-1);
  if (page.more && last !== undefined) {
    reply.header('link', nextLink(page.path, { n: String(page.limit), last }));
  }
}

/**
 * Answers `referrers/<digest>?artifactType=` with an index, which is empty if there are no referrers. Never answers 404,
 * because clients would then use the referrers tag schema.
 */
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
  // Sends bytes and not a text. For a text, the server would add a charset to the media type, and clients compare the whole
  // media type.
  return await reply.header('content-type', MEDIA_TYPES.index).send(Buffer.from(JSON.stringify(index)));
}
