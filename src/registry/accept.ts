// The Accept header of requests for manifests (RFC 9110, section 12.5.1).

/** Whether the header accepts the media type. An absent header accepts all media types. */
export function acceptsType(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === '') {
    return true;
  }
  const [family = ''] = mediaType.split('/', 1);
  const matches = header
    .split(',')
    .map((part) => part.split(';').map((piece) => piece.trim().toLowerCase()))
    .filter(([range]) => range === mediaType.toLowerCase() || range === `${family}/*` || range === '*/*');
  return matches.some((pieces) => !pieces.some((piece) => /^q=0(?:\.0*)?$/.test(piece)));
}
