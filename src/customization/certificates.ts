// Certificates that a customization adds to the system's trust store: judged at upload, so that no image is built on a bad one.
import { X509Certificate } from 'node:crypto';
import type { CustomizationWarningCode } from '../contract/customization-warning.ts';
import { printable } from '../tar/header.ts';
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
  /** SHA-256 of the DER, hex. */
  fingerprint: string;
  subject: string;
  /** The name OpenSSL looks it up by. */
  subject_hash: string;
  not_after: string;
};

export type JudgedCertificate = Omit<TrustedCertificate, 'name' | 'file' | 'in_rootfs'> & {
  warnings: CertificateWarning[];
};

type CertificateWarning = { code: CustomizationWarningCode; message: string };

/** PEM that is not taken; the message says why. */
export class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused';
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END ([A-Z0-9 ]+)-----/g;

/** The certificates of a PEM text. Throws CertificateRefused for anything but certificates that are valid at `now`. */
export function readCertificates(text: string, now: Date): JudgedCertificate[] {
  // First of all, so that a key is called a key even in a text that is broken elsewhere.
  if (holdsPrivateKey(text))
    throw new CertificateRefused('holds a private key; a trust store needs the certificate only');
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.length === 0) throw new CertificateRefused('holds no certificate in PEM (-----BEGIN CERTIFICATE-----)');
  if (text.replace(BLOCK, '').includes('-----')) throw new CertificateRefused('holds a PEM block that is cut off');
  return blocks.map(([block, begin, end]) => {
    if (begin !== end || (begin !== 'CERTIFICATE' && begin !== 'X509 CERTIFICATE')) {
      throw new CertificateRefused(`holds a PEM block "${begin}"; only CERTIFICATE may be there`);
    }
    return judge(block.replaceAll('X509 CERTIFICATE', 'CERTIFICATE'), now);
  });
}

/** True for text with the head of a private key of any kind, and of PKCS #12 turned to PEM. */
export function holdsPrivateKey(text: string): boolean {
  return /-----BEGIN [A-Z0-9 ]*(PRIVATE KEY|PKCS12)[A-Z0-9 ]*-----/.test(text);
}

function judge(block: string, now: Date): JudgedCertificate {
  const { certificate, hash } = parse(block);
  const subject = certificate.subject.replaceAll('\n', ', ');
  const notAfter = new Date(certificate.validTo);
  if (notAfter < now) throw new CertificateRefused(`the certificate of ${subject} expired on ${day(notAfter)}`);
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

function parse(block: string): { certificate: X509Certificate; hash: string } {
  try {
    const certificate = new X509Certificate(block);
    return { certificate, hash: subjectHash(certificate) };
  } catch {
    throw new CertificateRefused('holds a certificate that cannot be read: it is damaged or no X.509');
  }
}
