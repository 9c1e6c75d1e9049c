// What a repository somewhere else holds: its tags, and the referrers of a manifest (distribution-spec, "Content Discovery").
import type { Descriptor, Digest } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { once } from '../manifest.ts';
import { addToReferrersTag, referrersTag } from './referrers-tag.ts';
import type { Answer, Call } from './registry-session.ts';
import { ACCEPT_MANIFESTS, parsed, type RepositoryRoom, scopesOf, urlOf } from './repository-context.ts';
import { pushManifest } from './repository-manifests.ts';

/** Pages of a list of tags or referrers; a registry that never ends is not followed for ever. */
const PAGES_MAX = 1000;
const TAGS_PER_PAGE = 1000;

export async function referrers(room: RepositoryRoom, subject: Digest, artifactType?: string): Promise<Descriptor[]> {
  const url = urlOf(room, `referrers/${subject}`);
  if (artifactType !== undefined) {
    url.searchParams.set('artifactType', artifactType);
  }
  const found = (await listByApi(room, url)) ?? (await listByTag(room, subject));
  return found.filter((referrer) => artifactType === undefined || referrer.artifactType === artifactType);
}

/** Undefined where the registry has no referrers API (distribution-spec, "Listing Referrers": then it answers 404). */
async function listByApi(room: RepositoryRoom, first: URL): Promise<Descriptor[] | undefined> {
  if (room.session.learnt.referrers === false) {
    return undefined;
  }
  const call = { op: 'list referrers', side: 'source' as const, method: 'GET', scopes: scopesOf(room, 'pull') };
  const found: Descriptor[] = [];
  for await (const answer of pages(room, { ...call, url: first, headers: ACCEPT_MANIFESTS, accept: [200, 404] })) {
    if (answer.status === 404) {
      room.session.doubt('referrers');
      return undefined;
    }
    const page = parsed(answer, call);
    found.push(...('manifests' in page ? page.manifests : []));
  }
  room.session.learn('referrers', true);
  return found;
}

async function listByTag(room: RepositoryRoom, subject: Digest): Promise<Descriptor[]> {
  const url = urlOf(room, `manifests/${referrersTag(subject)}`);
  const call = { op: 'list referrers', side: 'source' as const, method: 'GET', scopes: scopesOf(room, 'pull') };
  const answer = await room.session.call({ ...call, url, headers: ACCEPT_MANIFESTS, accept: [200, 404] });
  const document = answer.status === 404 ? undefined : parsed(answer, call);
  return document !== undefined && 'manifests' in document ? document.manifests : [];
}

export async function attach(room: RepositoryRoom, subject: Digest, added: Descriptor[]): Promise<void> {
  if (room.session.learnt.referrers === undefined) {
    await listByApi(room, urlOf(room, `referrers/${subject}`));
  }
  if (room.session.learnt.referrers === true) {
    return;
  }
  await addToReferrersTag(subject, added, {
    lock: `${room.session.origin}/${room.name}@${subject}`,
    read: () => listByTag(room, subject),
    write: (descriptor, bytes) =>
      pushManifest(room, descriptor, { open: async () => once(bytes), reference: referrersTag(subject) }),
  });
}

export async function tags(room: RepositoryRoom): Promise<string[]> {
  const url = urlOf(room, `tags/list?n=${TAGS_PER_PAGE}`);
  const call = { op: 'list tags', side: 'source' as const, method: 'GET', scopes: scopesOf(room, 'pull') };
  const found: string[] = [];
  for await (const answer of pages(room, { ...call, url, accept: [200, 404] })) {
    found.push(...(answer.status === 404 ? [] : tagsOf(answer)));
  }
  return found;
}

function tagsOf(answer: Answer): string[] {
  try {
    const { tags: names } = (JSON.parse(answer.bytes.toString()) ?? {}) as { tags?: unknown };
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch (cause) {
    const message = `list tags at ${answer.url.host}${answer.url.pathname}: the answer is not JSON`;
    throw new RegistryError({
      op: 'list tags',
      side: 'source',
      code: 'TAGS_INVALID',
      temporary: false,
      message,
      cause,
    });
  }
}

/** Follows `Link: <…>; rel="next"` (RFC 8288) on the same registry. */
async function* pages(room: RepositoryRoom, call: Call): AsyncGenerator<Answer, void> {
  let next: URL | undefined = call.url;
  for (let page = 0; next !== undefined && page < PAGES_MAX; page++) {
    const answer: Answer = await room.session.call({ ...call, url: next });
    yield answer;
    const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(String(answer.headers['link'] ?? ''))?.[1];
    const url: URL | null = link === undefined ? null : URL.parse(link, answer.url.href);
    next = url === null || url.origin !== room.session.origin ? undefined : url;
  }
}
