// Lists the tags of a remote repository and the referrers of a manifest (distribution-spec, "Content Discovery").
import type { Descriptor, Digest } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { once } from '../manifest.ts';
import { addToReferrersTag, referrersTag } from './referrers-tag.ts';
import type { Answer, Call } from './registry-session.ts';
import { ACCEPT_MANIFESTS, parsed, type RepositoryContext, scopesOf, urlOf } from './repository-context.ts';
import { pushManifest } from './repository-manifests.ts';

/** The most pages of one list. Without this limit, a registry could link to further pages forever. */
const PAGES_MAX = 1000;
const TAGS_PER_PAGE = 1000;

export async function referrers(
  context: RepositoryContext,
  subject: Digest,
  artifactType?: string,
): Promise<Descriptor[]> {
  const url = urlOf(context, `referrers/${subject}`);
  if (artifactType !== undefined) {
    url.searchParams.set('artifactType', artifactType);
  }
  const found = (await listByApi(context, url)) ?? (await listByTag(context, subject));
  return found.filter((referrer) => artifactType === undefined || referrer.artifactType === artifactType);
}

/**
 * Lists referrers with the API. Returns undefined if the registry answers 404, because it does not have this API
 * (distribution-spec, "Listing Referrers").
 */
async function listByApi(context: RepositoryContext, first: URL): Promise<Descriptor[] | undefined> {
  if (context.session.learnt.referrers === false) {
    return undefined;
  }
  const call = { op: 'list referrers', side: 'source' as const, method: 'GET', scopes: scopesOf(context, 'pull') };
  const found: Descriptor[] = [];
  for await (const answer of pages(context, { ...call, url: first, headers: ACCEPT_MANIFESTS, accept: [200, 404] })) {
    if (answer.status === 404) {
      context.session.doubt('referrers');
      return undefined;
    }
    const page = parsed(answer, call);
    found.push(...('manifests' in page ? page.manifests : []));
  }
  context.session.learn('referrers', true);
  return found;
}

async function listByTag(context: RepositoryContext, subject: Digest): Promise<Descriptor[]> {
  const url = urlOf(context, `manifests/${referrersTag(subject)}`);
  const call = { op: 'list referrers', side: 'source' as const, method: 'GET', scopes: scopesOf(context, 'pull') };
  const answer = await context.session.call({ ...call, url, headers: ACCEPT_MANIFESTS, accept: [200, 404] });
  const document = answer.status === 404 ? undefined : parsed(answer, call);
  return document !== undefined && 'manifests' in document ? document.manifests : [];
}

export async function attach(context: RepositoryContext, subject: Digest, added: Descriptor[]): Promise<void> {
  if (context.session.learnt.referrers === undefined) {
    await listByApi(context, urlOf(context, `referrers/${subject}`));
  }
  if (context.session.learnt.referrers === true) {
    return;
  }
  await addToReferrersTag(subject, added, {
    lock: `${context.session.origin}/${context.name}@${subject}`,
    read: () => listByTag(context, subject),
    write: (descriptor, bytes) =>
      pushManifest(context, descriptor, { open: async () => once(bytes), reference: referrersTag(subject) }),
  });
}

export async function tags(context: RepositoryContext): Promise<string[]> {
  const url = urlOf(context, `tags/list?n=${TAGS_PER_PAGE}`);
  const call = { op: 'list tags', side: 'source' as const, method: 'GET', scopes: scopesOf(context, 'pull') };
  const found: string[] = [];
  for await (const answer of pages(context, { ...call, url, accept: [200, 404] })) {
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

/** Yields the pages of a list. Follows `Link: <…>; rel="next"` (RFC 8288), but only on the same registry. */
async function* pages(context: RepositoryContext, call: Call): AsyncGenerator<Answer, void> {
  let next: URL | undefined = call.url;
  for (let page = 0; next !== undefined && page < PAGES_MAX; page++) {
    const answer: Answer = await context.session.call({ ...call, url: next });
    yield answer;
    const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(String(answer.headers['link'] ?? ''))?.[1];
    const url: URL | null = link === undefined ? null : URL.parse(link, answer.url.href);
    next = url === null || url.origin !== context.session.origin ? undefined : url;
  }
}
