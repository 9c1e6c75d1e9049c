// For the tests of customizations: archives packed in memory, and certificates made for nothing else (their keys are gone).
import { gzipSync } from 'node:zlib';
import type { TarHeader, TarInput } from '../tar/entry.ts';
import { archiveOf, chunked, entry } from '../tar/fixtures.ts';
import { checksumOf } from '../tar/header.ts';
import { ArchiveRefused } from './errors.ts';
import { inspectArchive } from './inspect.ts';
import type { Inspection } from './inspection.ts';

/** Subject hash 3179e0d9 by OpenSSL 3.0: spaces in front, doubled, behind. */
export const EXAMPLE_ROOT = `-----BEGIN CERTIFICATE-----
MIIB1TCCAXugAwIBAgIUDAdLQV3gxVBDsfVAb/7DqZwbQbwwCgYIKoZIzj0EAwIw
PzELMAkGA1UEBhMCREUxGTAXBgNVBAoMECAgRXhhbXBsZSAgIE9yZyAxFTATBgNV
BAMMDEV4YW1wbGUgUm9vdDAgFw0yNjExMjEwMzUzMTFaGA8yMTI2MTAyODAzNTMx
MVowPzELMAkGA1UEBhMCREUxGTAXBgNVBAoMECAgRXhhbXBsZSAgIE9yZyAxFTAT
BgNVBAMMDEV4YW1wbGUgUm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMib
+4pjryOtufycqfOtphZ7rOJ8uBtrn4ucmenA/TA+PodZAlUtbD6z7vpaVBgB342B
eQCr7ctDUmQvW6wA9SujUzBRMB0GA1UdDgQWBBRKlGtCInX3WnSVSs9VB995lL2g
fzAfBgNVHSMEGDAWgBRKlGtCInX3WnSVSs9VB995lL2gfzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIDG4UBRK68VLBnZ7JnVJNiipKbRyy2ZNoA8V
1LI/U8quAiEAn/3ecfe02hmVlMoJzJLNZbUKpxPXxki5DF4ZANoJz54=
-----END CERTIFICATE-----
`;

/** Subject hash 7b8de319: UTF-8 and an e-mail address as IA5String. */
export const UNICODE_ROOT = `-----BEGIN CERTIFICATE-----
MIICFjCCAb2gAwIBAgIUYkrTH28BCcbX8hV7CFgixFKVQMIwCgYIKoZIzj0EAwIw
YDELMAkGA1UEBhMCSFUxHjAcBgNVBAoMFUbFkXRhbsO6c8OtdHbDoW55IEtGVDEV
MBMGA1UEAwwMw4FydsOteiBST09UMRowGAYJKoZIhvcNAQkBFgtBQEIuZXhhbXBs
ZTAgFw0yNjExMjEwMzUzMTFaGA8yMTI2MTAyODAzNTMxMVowYDELMAkGA1UEBhMC
SFUxHjAcBgNVBAoMFUbFkXRhbsO6c8OtdHbDoW55IEtGVDEVMBMGA1UEAwwMw4Fy
dsOteiBST09UMRowGAYJKoZIhvcNAQkBFgtBQEIuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABFFsFOhu5UrjYUvMEhB+4NQjs8hsOcoCbt2EWKD9qeAY
82VMC0ZY5PsYYm+MEIL9dAEj6pe/8MQO38TwdDPOpvOjUzBRMB0GA1UdDgQWBBS8
tSy3+JIQiSZrM258BX917kJvhzAfBgNVHSMEGDAWgBS8tSy3+JIQiSZrM258BX91
7kJvhzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIEy0ye6DlgoN
Vutuk9ayBFOHSjU/qoW0s3WpITHkMfLPAiAsTDGjQwwE5hy/dJibc9N0NpsHOcOq
Rk96CkZj+WHeEg==
-----END CERTIFICATE-----
`;

/** Expired on 2026-11-20; a certificate of version 1. */
export const EXPIRED = `-----BEGIN CERTIFICATE-----
MIIBITCBxwIUfZZWIUFIiL0WCBkw1cZi6O8xmIowCgYIKoZIzj0EAwIwEzERMA8G
A1UEAwwIT2xkIFJvb3QwHhcNMjYxMTIxMDM1MzExWhcNMjYxMTIwMDM1MzExWjAT
MREwDwYDVQQDDAhPbGQgUm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFFs
FOhu5UrjYUvMEhB+4NQjs8hsOcoCbt2EWKD9qeAY82VMC0ZY5PsYYm+MEIL9dAEj
6pe/8MQO38TwdDPOpvMwCgYIKoZIzj0EAwIDSQAwRgIhAN4AFI3jB5hiA00gajF9
6UOEgb9BamXwNSTeudlG2J0ZAiEAkoI3wfLA3CcG9myPRU9JfjDHKC2oG9WGi535
5sHa++Y=
-----END CERTIFICATE-----
`;

/** Subject hash e0a1e0e2; no certificate authority. */
export const LEAF = `-----BEGIN CERTIFICATE-----
MIIBcDCCARWgAwIBAgIUabYMCa0eoC1DIIl5BPhcldV+UScwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEbGVhZjAgFw0yNjExMjEwMzUzMTFaGA8yMTI2MTAyODAzNTMx
MVowDzENMAsGA1UEAwwEbGVhZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMmc
BOD84a6RzIbJeo2Hpf/O/HgLiCOW2gb++iVWXNjuvUWA4rdHgHcSNqxhhfeInaGV
n2Jydf6JBoi4U0hxbP6jTTBLMB0GA1UdDgQWBBQh8G1SpEq+5P5UGLpGvB5bjTaS
pzAfBgNVHSMEGDAWgBQh8G1SpEq+5P5UGLpGvB5bjTaSpzAJBgNVHRMEAjAAMAoG
CCqGSM49BAMCA0kAMEYCIQDiIenpfOz0b/2lm8Ap8sMAXBHSVeB/j5zQ8A0SGg3c
4AIhALFhvxDT/w1Hlyis+BpqrOLS9Lhld6vXDnf+mmR3jwFy
-----END CERTIFICATE-----
`;

/** Some day when all of them but EXPIRED are valid. */
export const NOW = new Date('2027-01-01T00:00:00Z');

export const DUMMY_KEY = `-----BEGIN ${'PRIVATE'} KEY-----\nAAAA\n-----END ${'PRIVATE'} KEY-----\n`;

/** A customization.yaml of these lines. */
export function yaml(...lines: string[]): TarInput {
  return entry('customization.yaml', { content: `${lines.join('\n')}\n` });
}

/** A PEM text as a YAML literal of this depth. */
export function literal(pem: string, indent = '      '): string {
  return `|\n${pem.trimEnd().replace(/^/gm, indent)}`;
}

export function rootfs(path: string, options: Partial<TarHeader> & { content?: string | Buffer } = {}): TarInput {
  return entry(`rootfs/${path}`, options);
}

export async function packed(entries: TarInput[]): Promise<Buffer> {
  return gzipSync(await archiveOf(entries));
}

export async function inspect(entries: TarInput[]): Promise<Inspection> {
  return inspectArchive(chunked(await packed(entries)), { now: NOW });
}

/** The violations of an archive as `field: message`; [] when it is taken. */
export async function refusalsOf(archive: Uint8Array, chunk = 64 * 1024): Promise<string[]> {
  try {
    await inspectArchive(chunked(archive, chunk), { now: NOW });
    return [];
  } catch (error) {
    if (!(error instanceof ArchiveRefused)) throw error;
    const told = error.violations.map(({ field, message }) => `${field}: ${message}`);
    return error.more === 0 ? told : [...told, `and ${error.more} more`];
  }
}

export async function refusals(...entries: TarInput[]): Promise<string[]> {
  return refusalsOf(await packed(entries));
}

/** The least that an archive may be. */
export const FILE = entry('rootfs/ok', { content: 'x' });

/** The archive of one good file whose first header is changed, its checksum made right. */
export async function patchedHeader(change: (block: Buffer) => void): Promise<Buffer> {
  const archive = await archiveOf([FILE]);
  change(archive.subarray(0, 512));
  archive.write(`${checksumOf(archive.subarray(0, 512)).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return gzipSync(archive);
}
