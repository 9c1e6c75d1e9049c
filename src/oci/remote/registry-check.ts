// Checks a registry: whether it answers, whether it is a registry, and whether it accepts the credentials and allows pushes
// with them.
import type { Egress } from '../../egress/egress.ts';
import { RegistryError } from '../errors.ts';
import type { CredentialExchange, Credentials } from './credentials.ts';
import { explainFailure, explainRejection, isDenied } from './failure-sentence.ts';
import { followed, openSession, type Session } from './registry-session.ts';

export type CheckOptions = {
  url: string;
  credentials?: Credentials;
  exchangeCredentials?: CredentialExchange;
  egress: Egress;
  /** A repository in which the check begins a push and cancels it. Absent if only reads are needed. */
  pushTo?: string;
  /** The time limit of the whole check in milliseconds. */
  limitMs?: number;
};

/** The time limit of a check in milliseconds. Slow registries answer within seconds, and a person waits for the result. */
const CHECK_MS_MAX = 20_000;
/** Requests are not retried, because registries are checked again soon. */
const ONCE = { tries: 1, firstWaitMs: 0 };

/**
 * Checks the registry once. Returns undefined if it finds no fault. Otherwise returns the fault and what to do. Leaves
 * nothing in the registry.
 */
export async function checkRegistry(options: CheckOptions): Promise<string | undefined> {
  const signal = AbortSignal.timeout(options.limitMs ?? CHECK_MS_MAX);
  const session = openSession({ ...options, signal, retry: ONCE });
  const { host } = new URL(session.origin);
  try {
    await askForApi(session);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    if (isDenied(error)) return explainRejection(host, options.credentials ? 'given' : 'missing');
    return explainFailure(error, host);
  }
  try {
    if (options.pushTo !== undefined) await tryToPush(session, options.pushTo);
    return undefined;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    if (isDenied(error) && options.credentials === undefined) {
      return `${host} lets nobody push to ${options.pushTo} without a log-in (${error.status ?? 401}). Send credentials that may push there.`;
    }
    if (isDenied(error)) {
      return `${host} accepts the credentials, but they may not push to ${options.pushTo} (${error.status ?? 401}). Give them the right to push there, or send other credentials.`;
    }
    if (error.status === 404) {
      return `${host} has no project or repository for ${options.pushTo}. Create it there, or register the registry with another path.`;
    }
    if (error.status === 405) return `${host} is read-only: it accepts no uploads (405).`;
    return explainFailure(error, host);
  }
}

/**
 * Sends `GET /v2/` (distribution-spec, "Determining Support"). Throws NOT_A_REGISTRY if the answer is a web page, or if its
 * status shows that the server has no such API.
 */
async function askForApi(session: Session): Promise<void> {
  const url = new URL('/v2/', session.origin);
  const asked = { op: 'ask for the API', side: 'target' as const, method: 'GET', url, scopes: [], accept: [200] };
  try {
    const { headers } = await session.call(asked);
    if (!/html/i.test(headers['content-type'] ?? '')) return;
  } catch (error) {
    if (!(error instanceof RegistryError) || error.op !== asked.op) throw error;
    const status = error.status;
    if (status === undefined || status === 401 || status === 403 || status === 429 || status >= 500) throw error;
  }
  const message = `${session.origin} is not a registry`;
  throw new RegistryError({ op: asked.op, side: 'target', code: 'NOT_A_REGISTRY', temporary: false, message });
}

/** Begins an upload, which requires the right to push, and cancels it. */
async function tryToPush(session: Session, repository: string): Promise<void> {
  const scopes = [`repository:${repository}:pull,push`];
  const url = new URL(`/v2/${repository}/blobs/uploads/`, session.origin);
  const call = { op: 'try to push', side: 'target' as const, scopes };
  const { headers } = await session.call({ ...call, method: 'POST', url, accept: [202] });
  if (headers.location === undefined) return;
  const upload = followed(headers.location, url, new URL(session.origin));
  // The check succeeds even if the registry cannot cancel an upload, because registries drop abandoned uploads.
  await session.call({ ...call, method: 'DELETE', url: upload, accept: [200, 202, 204, 404] }).catch(() => undefined);
}
