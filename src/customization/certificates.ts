// Certificates that a customization adds to the system's trust store: checked at upload, so that no image is built on a bad one.
import { X509Certificate } from 'node:crypto';
import type { CustomizationWarningCode } from '../contract/customization-warning.ts';
import { printable } from '../tar/header.ts';
import { CERTIFICATES_MAX } from './limits.ts';
import { subjectHash } from './subject-hash.ts';

export type TrustedCertificate = {
  /** Of its link in `/etc/ssl/certs`, without the ending. */
  name: string;
  /** Where the image holds it, below `usr/local/share/ca-certificates`. */
  file: string;
  /** True when the archive's rootfs brings that file. */
  in_rootfs: boolean;
  /** In one normal form: 64 columns, a line end behind. */
  pem: string;
  /** True when the file of rootfs does not hold that form, so that the image gets it in place of the file's bytes. */
  rewritten?: true;
  /** SHA-256 of the DER, hex. */
  fingerprint: string;
  subject: string;
  /** The name OpenSSL looks it up by. */
  subject_hash: string;
  not_after: string;
};

export type CheckedCertificate = Omit<TrustedCertificate, 'name' | 'file' | 'in_rootfs' | 'rewritten'> & {
  /** Which one it is in its text, from 0. */
  index: number;
  warnings: CertificateWarning[];
};

export type CertificateWarning = { code: CustomizationWarningCode; message: string };

export type ReadCertificates = {
  certificates: CheckedCertificate[];
  /** Of those that are not taken. */
  skipped: CertificateWarning[];
  /** Of all that are there. */
  count: number;
};

/** PEM that is not taken; the message says why, behind the name of what holds it. */
export class CertificateRejected extends Error {
  override readonly name = 'CertificateRejected';
}

/**
 * The certificates of a PEM text, a published bundle for example: what stands between them is comment (RFC 7468, 2). One that has expired
 * is skipped. Throws CertificateRejected for what is no certificate, and when none is left.
 */
export function readCertificates(text: string, now: Date): ReadCertificates {
  // First of all, so that a key is called a key even in a text that is broken elsewhere.
  if (holdsPrivateKey(text))
    throw new CertificateRejected('holds a private key; a trust store needs the certificate only');
  if (WRITTEN_LINE_END.test(text))
    throw new CertificateRejected('has «\\n» in place of line ends, as JSON writes them; write real ones');
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

/** U+FEFF, also where its bytes were read as Latin-1. */
const BYTE_ORDER_MARK = /^(?:\ufeff|\xef\xbb\xbf)/;
/**
 * Where a boundary has something else on its line: behind the end of a block the next one or a comment, as «cat» joins files without a line
 * end, and around the base64 of a certificate that was written on one line.
 */
const GLUED =
  /(?<=-----END [A-Z0-9 ]{1,64}-----)(?=[^\r\n])|(?<=-----BEGIN CERTIFICATE-----)(?=M)|(?<=[\w+/=])(?=-----END )/g;
const WRITTEN_LINE_END = /-----BEGIN CERTIFICATE-----\\n/;
/** An ASN.1 sequence with a length of two bytes, as each certificate is one; U+FFFD where it was read as UTF-8. */
const DER = /^0[\x82\ufffd]/;

function noPem(text: string): CertificateRejected {
  const what = 'holds no certificate in PEM (-----BEGIN CERTIFICATE-----)';
  const remedy = remedyFor(text);
  return new CertificateRejected(remedy === undefined ? what : `${what}; it looks like ${remedy}`);
}

/** What a text without PEM looks like, and how it becomes PEM. Binary files come as Latin-1. */
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
  return new CertificateRejected(`holds no certificate that is still valid: that of ${expired}${others}`);
}

/** No label is longer (RFC 7468, 4 to 13). */
const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----$/;
const LABELS = ['CERTIFICATE', 'X509 CERTIFICATE'];

/** The base64 lines of each block. Only whole lines are boundaries: comments may have dashes of any number. */
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
  throw new CertificateRejected(`holds a PEM block "${label}"; only CERTIFICATE may be there${remedy}`);
}

/** Commands that write certificates. x509 leaves out what a trusted certificate says about trust (openssl-x509(1)). */
const CONVERSIONS: Record<string, string> = {
  'TRUSTED CERTIFICATE': 'openssl x509',
  PKCS7: 'openssl pkcs7 -print_certs',
  'PKCS #7 SIGNED DATA': 'openssl pkcs7 -print_certs',
};

/** True when a text holds a certificate as every program reads it: each line at its begin, LF behind it. */
export function holdsNormalForm(text: string, pem: string): boolean {
  return text.startsWith(pem) || text.includes(`\n${pem}`);
}

/** True for text with the head of a private key of any kind, and of PKCS #12 turned to PEM. */
export function holdsPrivateKey(text: string): boolean {
  // Labels are short; without that bound a crafted text costs the square of its length.
  return /-----BEGIN [A-Z0-9 ]{0,64}(PRIVATE KEY|PKCS12)[A-Z0-9 ]{0,64}-----/.test(text);
}

type Place = { now: Date; index: number; count: number };

/** The certificate, or whose it is and when it expired. */
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
    throw new CertificateRejected(`holds a certificate that cannot be read${which}: it is damaged or no X.509`);
  }
}
