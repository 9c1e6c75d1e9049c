// Orders versions. One function orders full versions of Debian, and the other orders upstream versions, which SQL sorts by
// version_key.

/**
 * Compares two Debian versions by epoch, upstream version and revision (deb-version(7), "Sorting algorithm"). Returns a
 * number less than, equal to or greater than zero.
 */
export function compareDebianVersions(one: string, other: string): number {
  const [epoch, upstream, revision] = partsOf(one);
  const [otherEpoch, otherUpstream, otherRevision] = partsOf(other);
  return (
    compareNumbers(epoch, otherEpoch) || comparePart(upstream, otherUpstream) || comparePart(revision, otherRevision)
  );
}

/**
 * Compares two upstream versions like Debian, except that a hyphen begins a pre-release (Semantic Versioning, section 9) and
 * counts as a tilde. `version_key` (migrations/0016_version_order.sql) gives the same order in SQL. Returns a number less
 * than, equal to or greater than zero.
 */
export function compareUpstreamVersions(one: string, other: string): number {
  return comparePart(one.replaceAll('-', '~'), other.replaceAll('-', '~'));
}

function partsOf(version: string): [epoch: string, upstream: string, revision: string] {
  const [, epoch = '0', upstream = '', revision = ''] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/.exec(version) ?? [];
  return [epoch, upstream, revision];
}

/**
 * Compares one part of two versions piece by piece. Pieces are alternately text, compared by character, and numbers, compared
 * by value. A missing piece is empty or zero.
 */
function comparePart(one: string, other: string): number {
  const pieces = piecesOf(one);
  const otherPieces = piecesOf(other);
  for (let at = 0; at < Math.max(pieces.length, otherPieces.length); at++) {
    const [piece = '', otherPiece = ''] = [pieces[at], otherPieces[at]];
    const order = at % 2 === 0 ? compareText(piece, otherPiece) : compareNumbers(piece, otherPiece);
    if (order !== 0) return order;
  }
  return 0;
}

/**
 * Splits a part into pieces, which alternately have no digits and only digits. The first piece has no digits. It is empty if
 * the part begins with a digit.
 */
function piecesOf(part: string): string[] {
  const pieces: string[] = part.match(/\d+|\D+/g) ?? [];
  return /^\d/.test(part) ? ['', ...pieces] : pieces;
}

/** Compares numbers as text, first by length and then by digits, because they may be greater than a safe integer. */
function compareNumbers(one: string, other: string): number {
  const [digits, otherDigits] = [one.replace(/^0+/, ''), other.replace(/^0+/, '')];
  if (digits.length !== otherDigits.length) return digits.length - otherDigits.length;
  return digits < otherDigits ? -1 : Number(digits > otherDigits);
}

function compareText(one: string, other: string): number {
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    const order = rankOf(one[at]) - rankOf(other[at]);
    if (order !== 0) return order;
  }
  return 0;
}

/**
 * Returns the rank of a character. A tilde comes before the end of the text, the end before letters, and letters before all
 * other characters.
 */
function rankOf(character: string | undefined): number {
  if (character === '~') return -1;
  if (character === undefined) return 0;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}
