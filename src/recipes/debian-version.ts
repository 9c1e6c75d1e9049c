// From a Debian version to upstream's, and from upstream's to the branch it belongs to.

/**
 * Upstream's version in a Debian one, without epoch, revision and what Debian added to it: `5:7.0.15-1~deb12u7` is
 * 7.0.15, `1:1.2.13.dfsg-1` is 1.2.13 (deb-version(7)).
 */
export function upstreamVersion(version: string): string {
  const withoutEpoch = version.replace(/^\d+:/, '');
  const withoutRevision = withoutEpoch.replace(/-[^-]*$/, '');
  // Repacked sources, backports and pre-releases: the part before says which release it is.
  return withoutRevision.replace(/(?:[+~]|\.dfsg|\.ds\d|dfsg).*$/, '').replace(/-.*$/, '');
}

/** The first components of a version: 7.0.15 with two is 7.0; undefined when it has fewer numbers than that. */
export function branchOf(version: string, components: number): string | undefined {
  const parts = version.split('.').slice(0, components);
  return parts.length === components && parts.every((part) => /^\d+$/.test(part)) ? parts.join('.') : undefined;
}

/** True when the first of two Debian versions is the newer one (deb-version(7), "Sorting algorithm"). */
export function isNewer(one: string, other: string): boolean {
  const [epoch, upstream, revision] = partsOf(one);
  const [otherEpoch, otherUpstream, otherRevision] = partsOf(other);
  return (epoch - otherEpoch || comparePart(upstream, otherUpstream) || comparePart(revision, otherRevision)) > 0;
}

function partsOf(version: string): [epoch: number, upstream: string, revision: string] {
  const [, epoch = '0', upstream = '', revision = ''] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/.exec(version) ?? [];
  return [Number(epoch), upstream, revision];
}

/** Pieces without a digit by character, numbers by value, in turns; what is missing is empty and zero. */
function comparePart(one: string, other: string): number {
  const pieces: string[] = one.match(/\d+|\D+/g) ?? [];
  const otherPieces: string[] = other.match(/\d+|\D+/g) ?? [];
  // Each side begins with a piece without a digit, perhaps an empty one.
  if (/^\d/.test(one)) pieces.unshift('');
  if (/^\d/.test(other)) otherPieces.unshift('');
  for (let at = 0; at < Math.max(pieces.length, otherPieces.length); at++) {
    const [piece = '', otherPiece = ''] = [pieces[at], otherPieces[at]];
    const order = at % 2 === 0 ? compareText(piece, otherPiece) : compareNumbers(piece, otherPiece);
    if (order !== 0) return order;
  }
  return 0;
}

/** Longer than a safe integer is a date with a time and more. */
function compareNumbers(one: string, other: string): number {
  const difference = BigInt(one) - BigInt(other);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

function compareText(one: string, other: string): number {
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    const order = rankOf(one[at]) - rankOf(other[at]);
    if (order !== 0) return order;
  }
  return 0;
}

/** A tilde is before the end, the end before letters, letters before everything else. */
function rankOf(character: string | undefined): number {
  if (character === '~') return -1;
  if (character === undefined) return 0;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}
