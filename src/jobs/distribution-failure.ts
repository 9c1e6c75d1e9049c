// Failures of a distribution to one registry. Decides which errors a registry caused, and writes the text that users read.
import { RegistryError, reworded } from '../oci/errors.ts';
import { explainFailure, explainRejection, isDenied } from '../oci/remote/failure-sentence.ts';
import type { Target } from '../oci/target.ts';
import type { DistributionFailure } from '../pipelines/distributions.ts';
import type { DistributionRegistry } from '../pipelines/plan-inputs.ts';
import { splitRegistryUrl } from './registry-target.ts';

/** The repository of a release in one registry. */
export type RegistryPlace = { registry: DistributionRegistry; repository: string; target: Target };

/**
 * Returns the failure for a registry that does not have a release that the artifact needs. The pipeline waits. When the
 * registry gets the missing release, Larder makes another pipeline, which replaces this one.
 */
export function failureOfUnbuilt({ id, name }: DistributionRegistry): DistributionFailure {
  const cause = `The registry ${name} does not have a release yet that this release needs.`;
  return { registry_id: id, cause, isTemporary: true };
}

/** Returns the failure to record for an outside registry, or undefined if the registry did not cause the error. */
export function failureOf(
  { registry }: RegistryPlace,
  error: unknown,
  time: AbortSignal,
): DistributionFailure | undefined {
  if (error instanceof TagTaken) return { registry_id: registry.id, cause: error.message, isTemporary: false };
  if (registry.hosted) return undefined;
  const { host } = splitRegistryUrl(registry.url);
  if (time.aborted || isTimeout(error)) {
    const cause = `${host} did not accept the release in time. The blobs that it received are kept, and the others are sent again.`;
    return { registry_id: registry.id, cause, isTemporary: true };
  }
  if (!(error instanceof RegistryError) || isOfContent(error)) return undefined;
  return { registry_id: registry.id, cause: error.message, isTemporary: error.temporary || isOfCertificate(error) };
}

/** Whether the error, or one of its causes, comes from one of Larder's time limits. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || isTimeout(error.cause));
}

/**
 * Whether the registry's certificate caused the error. Larder retries then, because the registry's operator can renew the
 * certificate.
 */
function isOfCertificate({ code }: RegistryError): boolean {
  return /^(?:CERT_|ERR_TLS_CERT_)/.test(code);
}

/**
 * In this registry, the pipeline's tag points to another artifact. The tag cannot change, because another registry already
 * has the release under this tag.
 */
export class TagTaken extends Error {
  override readonly name = 'TagTaken';
}

/**
 * Replaces the text of a registry's error with a sentence that says what the user can do. The new error is temporary if the
 * old error was.
 */
export async function inWords<T>({ registry, repository }: RegistryPlace, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (registry.hosted || !(error instanceof RegistryError) || isOfContent(error)) throw error;
    const { host } = splitRegistryUrl(registry.url);
    throw reworded(
      error,
      explainPush(error, { host, repository, isAnonymous: registry.sealed_access_secret === null }),
    );
  }
}

/**
 * Whether Larder could not read its own content. Such an error has no status, unlike an answer of a registry, and is not
 * temporary, unlike a failed connection.
 */
export function isOfContent({ side, status, temporary }: RegistryError): boolean {
  return side === 'source' && status === undefined && !temporary;
}

type Pushed = { host: string; repository: string; isAnonymous: boolean };

/** Returns the reason why a push failed, and what the user can do. */
export function explainPush(error: RegistryError, { host, repository, isAnonymous }: Pushed): string {
  if (!isDenied(error)) return explainFailure(error, host);
  if (error.status === 401) return explainRejection(host, isAnonymous ? 'missing' : 'given');
  if (isAnonymous)
    return `${host} lets nobody push to ${repository} without a log-in. Send credentials that may push there.`;
  return `${host} does not let these credentials push to ${repository}. Give them this right, or send other credentials.`;
}
