// The state that all requests to one repository of a registry share.
import type { Descriptor, Digest } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { isManifestType, MANIFEST_MEDIA_TYPES, ManifestError, parseManifest } from '../manifest.ts';
import type { Answer, Call, Session } from './registry-session.ts';

export type RepositoryContext = {
  session: Session;
  name: string;
  /** Uploads that the registry opened instead of mounting a blob. The next push of the same blob uses its upload. */
  begun: Map<Digest, URL>;
  /**
   * Manifests that were pushed recently. If such a manifest gets another tag, its bytes are sent from here instead of being
   * read again.
   */
  recent: Map<Digest, Buffer>;
};

export const ACCEPT_MANIFESTS = { Accept: MANIFEST_MEDIA_TYPES.join(', ') };

export function urlOf({ session, name }: RepositoryContext, path: string): URL {
  return new URL(`/v2/${name}/${path}`, session.origin);
}

export function scopesOf({ name }: RepositoryContext, actions: 'pull' | 'pull,push'): string[] {
  return [`repository:${name}:${actions}`];
}

export function question(context: RepositoryContext, verb: string, descriptor: Descriptor) {
  const kind = isManifestType(descriptor.mediaType) ? 'manifest' : 'blob';
  return {
    op: `${verb} ${kind}`,
    side: 'source' as const,
    url: urlOf(context, `${kind}s/${descriptor.digest}`),
    scopes: scopesOf(context, 'pull'),
    headers: kind === 'manifest' ? { Accept: descriptor.mediaType } : {},
  };
}

export function mediaTypeOf(header: string | undefined): string {
  return (header ?? '').split(';')[0]?.trim() ?? '';
}

export function parsed(answer: Answer, { op, side }: Pick<Call, 'op' | 'side'>) {
  try {
    const announced = mediaTypeOf(answer.headers['content-type']);
    return parseManifest(answer.bytes, isManifestType(announced) ? announced : undefined);
  } catch (error) {
    const code = error instanceof ManifestError ? error.code : 'MANIFEST_INVALID';
    const message = `${op} at ${answer.url.host}${answer.url.pathname}: ${error instanceof Error ? error.message : 'the document is not a manifest'}`;
    throw new RegistryError({ op, side, code, temporary: false, message, cause: error });
  }
}
