// The grammar of repository names, tags and manifest references (distribution-spec 1.1, "Pulling manifests").

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `<version>-<os>-<os version>-r<N>`: the tag of one release, which names the same bytes for ever. */
const IMMUTABLE_TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._]*(?:-[a-zA-Z0-9._]+)*-[a-z]+-[0-9][0-9.]*-r[0-9]+$/;

/** Clients refuse host and name together beyond 255 characters (distribution-spec, implementers' note). */
const NAME_LENGTH_MAX = 255;

/** True for a repository name that the specification allows. */
export function isRepositoryName(text: string): boolean {
  return text.length <= NAME_LENGTH_MAX && NAME.test(text);
}

/** True for a tag that the specification allows. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** True for a tag that is never moved to another digest. */
export function isImmutableTag(tag: string): boolean {
  return IMMUTABLE_TAG.test(tag);
}

/** True for the id of an upload session as the registry writes it. */
export function isUploadId(text: string): boolean {
  return UUID.test(text);
}

/** The first segment of a name: the namespace of the organization that it belongs to. */
export function namespaceOf(name: string): string {
  const slash = name.indexOf('/');
  return slash === -1 ? name : name.slice(0, slash);
}
