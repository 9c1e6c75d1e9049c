// Parses image references by the grammar of docker and podman (distribution/reference).
import { type Digest, isDigest } from '../content/digest.ts';

export type Reference = {
  /** Host and port. Absent if the reference begins with the repository. */
  registry?: string;
  repository: string;
  tag?: string;
  digest?: Digest;
};

/** The error for a text that is not an image reference. */
class ReferenceInvalid extends Error {
  override readonly name = 'ReferenceInvalid';
  readonly code = 'REFERENCE';
}

/**
 * The longest name of a repository. Many clients limit it to 255 characters, with or without the registry (distribution-spec,
 * "Pulling manifests").
 */
const REPOSITORY_LENGTH_MAX = 255;
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const REGISTRY = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;

/** Whether the text is a repository name (distribution-spec, "Pulling manifests"). */
export function isRepository(text: string): boolean {
  return text.length <= REPOSITORY_LENGTH_MAX && REPOSITORY.test(text);
}

/** Whether the text is a tag (distribution-spec, "Pulling manifests"). */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/**
 * Parses `[registry/]repository[:tag][@digest]`. The first part is a registry if it contains a dot, a port or a capital
 * letter, or if it is `localhost` or an address. Throws ReferenceInvalid.
 */
export function parseReference(text: string): Reference {
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) {
    throw new ReferenceInvalid('the text after @ is not a sha256 digest');
  }
  const { registry, rest } = splitRegistry(named);
  const colon = rest.lastIndexOf(':');
  const repository = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (!isRepository(repository) || (registry !== undefined && !REGISTRY.test(registry))) {
    throw new ReferenceInvalid(
      'an image reference is [registry/]repository[:tag][@digest], with the repository in lower case',
    );
  }
  if (tag !== undefined && !isTag(tag)) {
    throw new ReferenceInvalid(
      'a tag has at most 128 letters, digits, dots, dashes and underscores, and begins with no dot or dash',
    );
  }
  return {
    repository,
    ...(registry !== undefined && { registry }),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && isDigest(digest) && { digest }),
  };
}

function splitRegistry(named: string): { registry?: string; rest: string } {
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first.startsWith('[') || /[A-Z]/.test(first);
  return isHost ? { registry: first, rest: named.slice(slash + 1) } : { rest: named };
}
