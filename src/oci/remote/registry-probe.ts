// Finds the capabilities of a registry by pushing a few bytes and deleting them.
import { createHash, randomBytes } from 'node:crypto';
import type { RegistryCapabilities } from '../../contract/registry-capabilities.ts';
import type { Egress } from '../../egress/egress.ts';
import type { Body } from '../../egress/exchange.ts';
import type { Digest } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import type { CredentialExchange, Credentials } from './credentials.ts';
import { type Answer, type Call, followed, openSession, type Session } from './registry-session.ts';

export type ProbeOptions = {
  url: string;
  credentials?: Credentials;
  exchangeCredentials?: CredentialExchange;
  egress: Egress;
  /**
   * The repository to which the probe sends its bytes. The probe mounts them to a second repository, whose name is this name
   * with `-2` appended.
   */
  repository: string;
  /** The time limit of the whole probe in milliseconds. */
  limitMs?: number;
};

/** The time limit of a probe in milliseconds. A probe sends a dozen small requests. */
const PROBE_MS_MAX = 40_000;
const ONCE = { tries: 1, firstWaitMs: 0 };
const TYPE = { 'Content-Type': 'application/octet-stream' };
/** HTTP statuses with which a registry rejects a kind of request that it does not support. */
const UNKNOWN_KIND = new Set([400, 404, 405, 411, 413, 415, 416, 501]);

type Blob = { bytes: Buffer; digest: Digest };
type ProbeContext = { session: Session; repository: string; sent: { repository: string; digest: Digest }[] };

/**
 * Probes a registry that accepts pushes. The result omits a capability that cannot be determined, for example because the
 * connection breaks or a request is rejected for another reason. If the registry can delete blobs, nothing stays in it.
 * Otherwise less than 200 bytes stay, and no manifest refers to them.
 */
export async function probeRegistry(options: ProbeOptions): Promise<RegistryCapabilities> {
  const signal = AbortSignal.timeout(options.limitMs ?? PROBE_MS_MAX);
  const session = openSession({ ...options, signal, retry: ONCE });
  const context: ProbeContext = { session, repository: options.repository, sent: [] };
  const [one, other] = [blobOf('one'), blobOf('other')];
  const single_post = await capabilityBy(() => postWhole(context, one));
  const chunked = await capabilityBy(() => sendChunks(context, other));
  if (context.sent.length === 0) await capabilityBy(() => putWhole(context, one));
  const [held] = context.sent;
  const mount = held && (await capabilityBy(() => mountFrom(context, held.digest)));
  const referrers = await capabilityBy(() => askForReferrers(context, one.digest));
  const deleted = await forget(context);
  const found = { single_post, chunked, mount, referrers, delete: deleted };
  return Object.fromEntries(Object.entries(found).filter(([, can]) => can !== undefined));
}

function blobOf(word: string): Blob {
  const bytes = Buffer.from(`Larder finds out what this registry can do: ${word} ${randomBytes(16).toString('hex')}\n`);
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

/**
 * Returns whether a request succeeded. Returns false if the registry does not support the request, and undefined if the
 * request failed for another reason.
 */
async function capabilityBy(act: () => Promise<boolean | undefined>): Promise<boolean | undefined> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return error.op === OP && UNKNOWN_KIND.has(error.status ?? 0) ? false : undefined;
  }
}

const OP = 'probe';

function ask(
  context: ProbeContext,
  method: string,
  url: URL,
  more: Partial<Call> & { accept: number[] },
): Promise<Answer> {
  const scopes = [`repository:${context.repository}:pull,push`];
  return context.session.call({ op: OP, side: 'target', method, url, scopes, ...more });
}

function uploads(context: ProbeContext, repository: string, query: Record<string, string> = {}): URL {
  const url = new URL(`/v2/${repository}/blobs/uploads/`, context.session.origin);
  url.search = new URLSearchParams(query).toString();
  return url;
}

function nextOf(context: ProbeContext, { headers, url }: Answer): URL | undefined {
  return headers.location === undefined ? undefined : followed(headers.location, url, new URL(context.session.origin));
}

function bodyOf(bytes: Buffer): Body {
  return {
    size: bytes.length,
    async open() {
      return (async function* () {
        yield bytes;
      })();
    },
  };
}

/**
 * Sends a blob in one POST (distribution-spec, "Single POST"). A registry that supports this answers 201. Other registries
 * open an upload and answer 202.
 */
async function postWhole(context: ProbeContext, { bytes, digest }: Blob): Promise<boolean> {
  const url = uploads(context, context.repository, { digest });
  const answer = await ask(context, 'POST', url, { headers: TYPE, body: bodyOf(bytes), accept: [201, 202] });
  if (answer.status === 201) context.sent.push({ repository: context.repository, digest });
  else await cancel(context, answer);
  return answer.status === 201;
}

/**
 * Sends a blob with POST and PUT (distribution-spec, "POST then PUT"). All registries accept this, so it shows no capability.
 * But the other probes need the blob.
 */
async function putWhole(context: ProbeContext, { bytes, digest }: Blob): Promise<undefined> {
  const upload = nextOf(context, await ask(context, 'POST', uploads(context, context.repository), { accept: [202] }));
  if (upload === undefined) return;
  const url = withDigest(upload, digest);
  await ask(context, 'PUT', url, { headers: TYPE, body: bodyOf(bytes), accept: [201, 204] });
  context.sent.push({ repository: context.repository, digest });
}

/** Adds the digest to the query. The existing query stays unchanged, because it may be signed. */
function withDigest(upload: URL, digest: Digest): URL {
  const url = new URL(upload);
  url.search = [upload.search.slice(1), new URLSearchParams({ digest }).toString()].filter(Boolean).join('&');
  return url;
}

/** Sends a blob in two chunks (distribution-spec, "Pushing a blob in chunks"). */
async function sendChunks(context: ProbeContext, { bytes, digest }: Blob): Promise<boolean | undefined> {
  let upload = nextOf(context, await ask(context, 'POST', uploads(context, context.repository), { accept: [202] }));
  const middle = Math.floor(bytes.length / 2);
  for (const [from, to] of [
    [0, middle],
    [middle, bytes.length],
  ] as const) {
    if (upload === undefined) return undefined;
    const headers = { ...TYPE, 'Content-Range': `${from}-${to - 1}` };
    const body = bodyOf(bytes.subarray(from, to));
    upload = nextOf(context, await ask(context, 'PATCH', upload, { headers, body, accept: [202, 204] }));
  }
  if (upload === undefined) return undefined;
  await ask(context, 'PUT', withDigest(upload, digest), { accept: [201, 204] });
  context.sent.push({ repository: context.repository, digest });
  return true;
}

/**
 * Mounts a blob (distribution-spec, "Mounting a blob from another repository"). A registry that supports this answers 201.
 * Other registries open an upload and answer 202.
 */
async function mountFrom(context: ProbeContext, digest: Digest): Promise<boolean> {
  const repository = `${context.repository}-2`;
  const scopes = [`repository:${repository}:pull,push`, `repository:${context.repository}:pull`];
  const url = uploads(context, repository, { mount: digest, from: context.repository });
  const answer = await ask(context, 'POST', url, { scopes, accept: [201, 202] });
  if (answer.status === 201) context.sent.push({ repository, digest });
  else await cancel(context, answer, scopes);
  return answer.status === 201;
}

/**
 * Lists referrers (distribution-spec, "Listing Referrers"). A registry without this API answers 404. A 404 with the code for
 * an unknown name shows nothing, so the result is then undefined.
 */
async function askForReferrers(context: ProbeContext, digest: Digest): Promise<boolean | undefined> {
  const url = new URL(`/v2/${context.repository}/referrers/${digest}`, context.session.origin);
  try {
    const { headers } = await ask(context, 'GET', url, { accept: [200] });
    return /json/.test(headers['content-type'] ?? '');
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'NAME_UNKNOWN') return undefined;
    throw error;
  }
}

/** Deletes the bytes that the probe sent. Returns whether the registry can delete blobs. */
async function forget(context: ProbeContext): Promise<boolean | undefined> {
  let can: boolean | undefined;
  for (const { repository, digest } of context.sent) {
    const url = new URL(`/v2/${repository}/blobs/${digest}`, context.session.origin);
    const scopes = [`repository:${repository}:delete,pull,push`];
    const deleted = await deletedBy(() => ask(context, 'DELETE', url, { scopes, accept: [200, 202, 204] }));
    can ??= deleted;
  }
  return can;
}

async function deletedBy(act: () => Promise<unknown>): Promise<boolean | undefined> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return [401, 403, 405, 501].includes(error.status ?? 0) ? false : undefined;
  }
}

/** Cancels an unused upload. If this fails, the registry drops the upload later. */
async function cancel(context: ProbeContext, answer: Answer, scopes?: string[]): Promise<void> {
  const upload = nextOf(context, answer);
  if (upload === undefined) return;
  await ask(context, 'DELETE', upload, { accept: [200, 202, 204, 404], ...(scopes && { scopes }) }).catch(
    () => undefined,
  );
}
