// Reads the certificates that a customization adds to the system's trust store. They are checked at upload, so that no build fails on an
// invalid one.
import { X509Certificate } from 'node:crypto';
import type { CustomizationWarningCode } from '../contract/customization-warning.ts';
import { printable } from '../tar/header.ts';
import { CERTIFICATES_MAX } from './limits.ts';
import { subjectHash } from './subject-hash.ts';

export type TrustedCertificate = {
  /** The name of the certificate's link in `/etc/ssl/certs`, without the extension. */
  name: string;
  /** The path of the certificate in the image, below `usr/local/share/ca-certificates`. */
  file: string;
  /** Whether the archive's rootfs contains a file at this path. */
  in_rootfs: boolean;
  /** The PEM text in normal form: 64 columns, with a final line end. */
  pem: string;
  /** Set if the file in rootfs does not contain the normal form: in the image, the normal form replaces the file's bytes. */
  rewritten?: true;
  /** SHA-256 of the DER, hex. */
  fingerprint: string;
  subject: string;
  /** The name under which OpenSSL looks up the certificate. */
  subject_hash: string;
  not_after: string;
};

export type CheckedCertificate = Omit<TrustedCertificate, 'name' | 'file' | 'in_rootfs' | 'rewritten'> & {
  /** The position of the certificate in its PEM text, from 0. */
  index: number;
  warnings: CertificateWarning[];
};

export type CertificateWarning = { code: CustomizationWarningCode; message: string };

export type ReadCertificates = {
  certificates: CheckedCertificate[];
  /** Warnings about the certificates that are left out. */
  skipped: CertificateWarning[];
  /** The number of all certificates in the text. */
  count: number;
};

/** The rejection of a PEM text. The message is a predicate: callers put the name of the file or certificate before it. */
export class CertificateRejected extends Error {
  override readonly name = 'CertificateRejected';
}

/**
 * Reads the certificates of a PEM text, for example a published bundle. Skips expired certificates; text between certificates is a comment
 * (RFC 7468, 2). Throws CertificateRejected for a block that is not a certificate, and if no certificate is left.
 */
export function readCertificates(text: string, now: Date): ReadCertificates {
  // Checked first, so that a private key is reported even if the text has other faults.
  if (holdsPrivateKey(text))
    throw new CertificateRejected('holds a private key; a trust store needs the certificate only');
  if (WRITTEN_LINE_END.test(text))
    throw new CertificateRejected('has «\\n» in place of line ends, as in JSON; use real line ends');
  const blocks = blocksOf(text.replace(BYTE_ORDER_MARK, '').replace(GLUED, '\n'));
  if (blocks.length === 0) throw noPem(text);
  const certificates: CheckedCertificate[] = [];
  const skipped: CertificateWarning[] = [];
  let expired = '';
  for (const [index, block] of blocks.entries()) {
    const checked = checkCertificate(block, { now, index, count: blocks.length });
    if (typeof checked !== 'string') {
      certificates.push(checked);
      continue;
    }
    expired ||= checked;
    skipped.push({ code: 'CERTIFICATE_SKIPPED', message: `The certificate of ${checked}, so it is not added.` });
  }
  if (certificates.length === 0) throw noneLeft(expired, blocks.length);
  return { certificates, skipped, count: blocks.length };
}

/** U+FEFF at the start of a text, or its three bytes if the text was read as Latin-1. */
const BYTE_ORDER_MARK = /^(?:\ufeff|\xef\xbb\xbf)/;
/**
 * A boundary that is not alone on its line. After an END line, the next block or a comment follows (cat does this to files without a final
 * line end), or the base64 of a certificate is on the same line.
 */
const GLUED =
  /(?<=-----END [A-Z0-9 ]{1,64}-----)(?=[^\r\n])|(?<=-----BEGIN CERTIFICATE-----)(?=M)|(?<=[\w+/=])(?=-----END )/g;
const WRITTEN_LINE_END = /-----BEGIN CERTIFICATE-----\\n/;
/** An ASN.1 sequence with a length of two bytes: the start of each certificate. The second byte is U+FFFD if the file was read as UTF-8. */
const DER = /^0[\x82\ufffd]/;

function noPem(text: string): CertificateRejected {
  const what = 'holds no certificate in PEM (-----BEGIN CERTIFICATE-----)';
  const remedy = remedyFor(text);
  return new CertificateRejected(remedy === undefined ? what : `${what}; it looks like ${remedy}`);
}

/** Returns the likely format of a text without PEM, and how to convert it to PEM. Binary files are read as Latin-1. */
function remedyFor(text: string): string | undefined {
  const head = text.slice(0, HEAD_LENGTH);
  if (DER.test(text)) {
    if (head.includes(SIGNED_DATA)) return 'PKCS #7, which «openssl pkcs7 -inform DER -print_certs» turns into PEM';
    if (head.includes(DATA)) return 'PKCS #12, whose certificates «openssl pkcs12 -nokeys» turns into PEM';
    return 'DER, which «openssl x509 -inform DER» turns into PEM';
  }
  if (head.includes('-\0-\0')) return 'UTF-16; save it as UTF-8';
  return /^\s*MII[A-Za-z0-9+/]/.test(head) ? `PEM without its first and its last line; add them` : undefined;
}

const HEAD_LENGTH = 64;
/** The object identifiers 1.2.840.113549.1.7.2 and 1.2.840.113549.1.7.1 in DER, read as Latin-1 (RFC 2315, 14). */
const SIGNED_DATA = '\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02';
const DATA = '\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01';

function noneLeft(expired: string, count: number): CertificateRejected {
  const others = count === 1 ? '' : `; all ${count} have expired`;
  return new CertificateRejected(`holds no valid certificate: that of ${expired}${others}`);
}

/** Labels have at most 64 characters (RFC 7468, 4 to 13). */
const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----$/;
const LABELS = ['CERTIFICATE', 'X509 CERTIFICATE'];

/**
 * Returns the base64 lines of each block. Dashes count as a boundary only if they are a whole line, because comments may contain dashes.
 */
function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  let open: { label: string; lines: string[] } | undefined;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const [, side, label = ''] = BOUNDARY.exec(line.trim()) ?? [];
    if (side === undefined) {
      if (line.trim() !== '') open?.lines.push(line.trim());
    } else if ((side === 'BEGIN') !== (open === undefined) || (open !== undefined && open.label !== label))
      throw cutOff(blocks.length);
    else if (open === undefined) open = { label: checkedLabel(label), lines: [] };
    else {
      blocks.push(open.lines.join('\n'));
      open = undefined;
      if (blocks.length > CERTIFICATES_MAX)
        throw new CertificateRejected(`holds more than ${CERTIFICATES_MAX} certificates`);
    }
  }
  if (open !== undefined) throw cutOff(blocks.length);
  return blocks;
}

function cutOff(index: number): CertificateRejected {
  return new CertificateRejected(`holds a PEM block that is cut off (number ${index + 1})`);
}

function checkedLabel(label: string): string {
  if (LABELS.includes(label)) return label;
  const command = CONVERSIONS[label];
  const remedy = command === undefined ? '' : `; «${command} -in FILE -out NEW» turns it into one`;
  throw new CertificateRejected(`holds a PEM block "${label}"; only CERTIFICATE is allowed${remedy}`);
}

/**
 * Commands that convert these kinds of PEM blocks to certificates. `openssl x509` removes the trust settings of a trusted certificate
 * (openssl-x509(1)).
 */
const CONVERSIONS: Record<string, string> = {
  'TRUSTED CERTIFICATE': 'openssl x509',
  PKCS7: 'openssl pkcs7 -print_certs',
  'PKCS #7 SIGNED DATA': 'openssl pkcs7 -print_certs',
};

/** Whether a text contains a certificate in normal form, starting at the beginning of a line. */
export function holdsNormalForm(text: string, pem: string): boolean {
  return text.startsWith(pem) || text.includes(`\n${pem}`);
}

/** Whether a text contains the first line of a private key of any kind, or of a PKCS #12 file in PEM. */
export function holdsPrivateKey(text: string): boolean {
  // Labels are short, and matching longer ones would take quadratic time for a crafted text.
  return /-----BEGIN [A-Z0-9 ]{0,64}(PRIVATE KEY|PKCS12)[A-Z0-9 ]{0,64}-----/.test(text);
}

type Place = { now: Date; index: number; count: number };

/** Returns the certificate or, if it has expired, a text with its subject and date. */
function checkCertificate(block: string, { now, index, count }: Place): CheckedCertificate | string {
  const { certificate, hash } = parse(block, count === 1 ? '' : ` (number ${index + 1} of ${count})`);
  const subject = certificate.subject.replaceAll('\n', ', ');
  const notAfter = new Date(certificate.validTo);
  if (notAfter < now) return `${printable(subject)} expired on ${day(notAfter)}`;
  const warnings: CertificateWarning[] = [];
  const validFrom = new Date(certificate.validFrom);
  if (validFrom > now) {
    const message = `The certificate of ${printable(subject)} is trusted and is valid only from ${day(validFrom)} on.`;
    warnings.push({ code: 'CERTIFICATE_NOT_YET_VALID', message });
  }
  if (!certificate.ca) {
    const message = `The certificate of ${printable(subject)} is trusted and is not a certificate authority's.`;
    warnings.push({ code: 'CERTIFICATE_NOT_AUTHORITY', message });
  }
  return {
    index,
    pem: certificate.toString(),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    subject,
    subject_hash: hash,
    not_after: notAfter.toISOString(),
    warnings,
  };
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10);
}

function parse(block: string, which: string): { certificate: X509Certificate; hash: string } {
  try {
    const certificate = new X509Certificate(`-----BEGIN CERTIFICATE-----\n${block}\n-----END CERTIFICATE-----\n`);
    return { certificate, hash: subjectHash(certificate) };
  } catch {
    throw new CertificateRejected(`holds a certificate that cannot be read${which}: it is damaged or not X.509`);
  }
}
