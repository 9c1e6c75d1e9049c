// The name under which OpenSSL looks up a trusted certificate: eight hex digits of its subject (X509_NAME_hash, `openssl x509 -subject_hash`).
import { createHash, type X509Certificate } from 'node:crypto';

type Node = { tag: number; content: Buffer; whole: Buffer };

const SEQUENCE = 0x30;
const SET = 0x31;
const UTF8_STRING = 0x0c;
const VERSION = 0xa0;

/** Decoders of the string types that OpenSSL compares as text; other types are compared as bytes. */
const TEXT: Record<number, (content: Buffer) => string> = {
  [UTF8_STRING]: (content) => content.toString('utf8'),
  // By the tag of the type: Printable, T61 (OpenSSL reads it as Latin-1), IA5, Visible, Universal and BMP strings.
  19: (content) => content.toString('latin1'),
  20: (content) => content.toString('latin1'),
  22: (content) => content.toString('latin1'),
  26: (content) => content.toString('latin1'),
  28: (content) => fromUnits(content, 4),
  30: (content) => fromUnits(content, 2),
};

/** Returns the subject hash. Throws RangeError for malformed DER, which cannot occur: node:crypto rejects such certificates earlier. */
export function subjectHash(certificate: X509Certificate): string {
  const canonical = childrenOf(subjectOf(certificate.raw)).map((set) => {
    const attributes = childrenOf(set).map(canonicalAttribute);
    // DER orders the members of a SET by their bytes.
    return encode(SET, Buffer.concat(attributes.sort(Buffer.compare)));
  });
  const digest = createHash('sha1').update(Buffer.concat(canonical)).digest();
  return digest.readUInt32LE(0).toString(16).padStart(8, '0');
}

/** Returns the subject: in Certificate → TBSCertificate, after version, serial, algorithm, issuer and validity (RFC 5280, 4.1). */
function subjectOf(der: Buffer): Node {
  const fields = childrenOf(childAt(readNode(der), 0));
  const subject = fields[fields[0]?.tag === VERSION ? 5 : 4];
  if (subject === undefined || subject.tag !== SEQUENCE) throw new RangeError('the certificate has no subject');
  return subject;
}

function canonicalAttribute(attribute: Node): Buffer {
  const type = childAt(attribute, 0);
  const value = childAt(attribute, 1);
  const text = TEXT[value.tag]?.(value.content);
  const encoded = text === undefined ? value.whole : encode(UTF8_STRING, Buffer.from(canonicalText(text)));
  return encode(SEQUENCE, Buffer.concat([type.whole, encoded]));
}

/** Lowercases ASCII letters, trims spaces, and joins runs of spaces into one (asn1_string_canon). */
function canonicalText(text: string): string {
  return text
    .replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function fromUnits(content: Buffer, width: 2 | 4): string {
  let text = '';
  for (let at = 0; at + width <= content.length; at += width)
    text += String.fromCodePoint(content.readUIntBE(at, width));
  return text;
}

function childAt(node: Node, index: number): Node {
  const child = childrenOf(node)[index];
  if (child === undefined) throw new RangeError('the certificate is not well-formed');
  return child;
}

function childrenOf(node: Node): Node[] {
  const children: Node[] = [];
  for (let at = 0; at < node.content.length; ) {
    const child = readNode(node.content.subarray(at));
    children.push(child);
    at += child.whole.length;
  }
  return children;
}

function readNode(bytes: Buffer): Node {
  const first = bytes.readUInt8(1);
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(2, lengthBytes);
  const start = 2 + lengthBytes;
  if (start + length > bytes.length) throw new RangeError('the certificate is not well-formed');
  return {
    tag: bytes.readUInt8(0),
    content: bytes.subarray(start, start + length),
    whole: bytes.subarray(0, start + length),
  };
}

function encode(tag: number, content: Buffer): Buffer {
  const length: number[] = [];
  for (let left = content.length; left > 0; left = Math.floor(left / 256)) length.unshift(left % 256);
  const header = content.length < 0x80 ? [tag, content.length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from(header), content]);
}
