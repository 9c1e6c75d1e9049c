// Finds out what a registry can do, with a few bytes that it is given and asked to forget.
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
  /** Where the bytes are sent; another one with `-2` behind its name is mounted to. */
  repository: string;
  /** For everything together. */
  limitMs?: number;
};

/** A dozen small requests. */
const PROBE_MS_MAX = 40_000;
const ONCE = { tries: 1, firstWaitMs: 0 };
const TYPE = { 'Content-Type': 'application/octet-stream' };
/** How registries say that they do not know a kind of request. */
const UNKNOWN_KIND = new Set([400, 404, 405, 411, 413, 415, 416, 501]);

type Blob = { bytes: Buffer; digest: Digest };
type Room = { session: Session; repository: string; sent: { repository: string; digest: Digest }[] };

/**
 * Probes a registry that takes pushes. What cannot be told is absent: a connection that breaks in the middle, or a refusal
 * with a cause of its own, says nothing. Where blobs can be deleted, nothing stays; elsewhere it is less than 200 bytes,
 * which no manifest names.
 */
export async function probeRegistry(options: ProbeOptions): Promise<RegistryCapabilities> {
  const signal = AbortSignal.timeout(options.limitMs ?? PROBE_MS_MAX);
  const session = openSession({ ...options, signal, retry: ONCE });
  const room: Room = { session, repository: options.repository, sent: [] };
  const [one, other] = [blobOf('one'), blobOf('other')];
  const single_post = await told(() => postWhole(room, one));
  const chunked = await told(() => sendChunks(room, other));
  if (room.sent.length === 0) await told(() => putWhole(room, one));
  const [held] = room.sent;
  const mount = held && (await told(() => mountFrom(room, held.digest)));
  const referrers = await told(() => askForReferrers(room, one.digest));
  const deleted = await forget(room);
  const found = { single_post, chunked, mount, referrers, delete: deleted };
  return Object.fromEntries(Object.entries(found).filter(([, can]) => can !== undefined));
}

function blobOf(word: string): Blob {
  const bytes = Buffer.from(`Larder finds out what this registry can do: ${word} ${randomBytes(16).toString('hex')}\n`);
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

/** What an act shows; undefined when it failed for a cause of its own. */
async function told(act: () => Promise<boolean | undefined>): Promise<boolean | undefined> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return error.op === OP && UNKNOWN_KIND.has(error.status ?? 0) ? false : undefined;
  }
}

const OP = 'probe';

function ask(room: Room, method: string, url: URL, more: Partial<Call> & { accept: number[] }): Promise<Answer> {
  const scopes = [`repository:${room.repository}:pull,push`];
  return room.session.call({ op: OP, side: 'target', method, url, scopes, ...more });
}

function uploads(room: Room, repository: string, query: Record<string, string> = {}): URL {
  const url = new URL(`/v2/${repository}/blobs/uploads/`, room.session.origin);
  url.search = new URLSearchParams(query).toString();
  return url;
}

function nextOf(room: Room, { headers, url }: Answer): URL | undefined {
  return headers.location === undefined ? undefined : followed(headers.location, url, new URL(room.session.origin));
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

/** distribution-spec, "Single POST": 201, or 202 with an upload for what only opens one. */
async function postWhole(room: Room, { bytes, digest }: Blob): Promise<boolean> {
  const url = uploads(room, room.repository, { digest });
  const answer = await ask(room, 'POST', url, { headers: TYPE, body: bodyOf(bytes), accept: [201, 202] });
  if (answer.status === 201) room.sent.push({ repository: room.repository, digest });
  else await cancel(room, answer);
  return answer.status === 201;
}

/** distribution-spec, "POST then PUT", which all registries take: shows nothing, but lets the others be shown. */
async function putWhole(room: Room, { bytes, digest }: Blob): Promise<undefined> {
  const upload = nextOf(room, await ask(room, 'POST', uploads(room, room.repository), { accept: [202] }));
  if (upload === undefined) return;
  const url = withDigest(upload, digest);
  await ask(room, 'PUT', url, { headers: TYPE, body: bodyOf(bytes), accept: [201, 204] });
  room.sent.push({ repository: room.repository, digest });
}

/** Adds to the query and leaves what is there byte for byte: it may be signed. */
function withDigest(upload: URL, digest: Digest): URL {
  const url = new URL(upload);
  url.search = [upload.search.slice(1), new URLSearchParams({ digest }).toString()].filter(Boolean).join('&');
  return url;
}

/** distribution-spec, "Pushing a blob in chunks", with two of them. */
async function sendChunks(room: Room, { bytes, digest }: Blob): Promise<boolean | undefined> {
  let upload = nextOf(room, await ask(room, 'POST', uploads(room, room.repository), { accept: [202] }));
  const middle = Math.floor(bytes.length / 2);
  for (const [from, to] of [
    [0, middle],
    [middle, bytes.length],
  ] as const) {
    if (upload === undefined) return undefined;
    const headers = { ...TYPE, 'Content-Range': `${from}-${to - 1}` };
    const body = bodyOf(bytes.subarray(from, to));
    upload = nextOf(room, await ask(room, 'PATCH', upload, { headers, body, accept: [202, 204] }));
  }
  if (upload === undefined) return undefined;
  await ask(room, 'PUT', withDigest(upload, digest), { accept: [201, 204] });
  room.sent.push({ repository: room.repository, digest });
  return true;
}

/** distribution-spec, "Mounting a blob from another repository": 201, or 202 with an upload for what does not. */
async function mountFrom(room: Room, digest: Digest): Promise<boolean> {
  const repository = `${room.repository}-2`;
  const scopes = [`repository:${repository}:pull,push`, `repository:${room.repository}:pull`];
  const url = uploads(room, repository, { mount: digest, from: room.repository });
  const answer = await ask(room, 'POST', url, { scopes, accept: [201, 202] });
  if (answer.status === 201) room.sent.push({ repository, digest });
  else await cancel(room, answer, scopes);
  return answer.status === 201;
}

/** distribution-spec, "Listing Referrers": 404 where there is no such API; where only the name is not known it says nothing. */
async function askForReferrers(room: Room, digest: Digest): Promise<boolean | undefined> {
  const url = new URL(`/v2/${room.repository}/referrers/${digest}`, room.session.origin);
  try {
    const { headers } = await ask(room, 'GET', url, { accept: [200] });
    return /json/.test(headers['content-type'] ?? '');
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'NAME_UNKNOWN') return undefined;
    throw error;
  }
}

/** Deletes what was sent; whether that is possible is what it shows. */
async function forget(room: Room): Promise<boolean | undefined> {
  let can: boolean | undefined;
  for (const { repository, digest } of room.sent) {
    const url = new URL(`/v2/${repository}/blobs/${digest}`, room.session.origin);
    const scopes = [`repository:${repository}:delete,pull,push`];
    const deleted = await deletedBy(() => ask(room, 'DELETE', url, { scopes, accept: [200, 202, 204] }));
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

/** An upload that is of no use. Registries forget it in time. */
async function cancel(room: Room, answer: Answer, scopes?: string[]): Promise<void> {
  const upload = nextOf(room, answer);
  if (upload === undefined) return;
  await ask(room, 'DELETE', upload, { accept: [200, 202, 204, 404], ...(scopes && { scopes }) }).catch(() => undefined);
}
