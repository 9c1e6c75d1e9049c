// Published certificate bundles, and which of their certificates are added to the trust store.
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import {
  EXAMPLE_ROOT,
  EXPIRED,
  inspect,
  LEAF,
  literal,
  rejections,
  rootfs,
  UNICODE_ROOT,
  yaml,
} from '../../test/fixtures/customization.ts';

const FOLDER = 'usr/local/share/ca-certificates/';
const crt = (name: string, content: string) => rootfs(`${FOLDER}${name}.crt`, { content });

/** Returns Mozilla's roots as curl and certifi publish them: before each certificate a title underlined with dashes, and comments. */
function bundle(end = '\n'): string {
  const blocks = rootCertificates.map(
    (pem, index) =>
      `\nRoot ${index} -- a title -----\n==========\n# Issuer: CN=- O=--\n-----------------------\n${pem}\n`,
  );
  return `\ufeff##\n## Bundle of CA Root Certificates ----- as of today\n##\n${blocks.join('')}`.replaceAll('\n', end);
}

describe('a published bundle', () => {
  it.each([
    ['Unix', '\n'],
    ['Windows', '\r\n'],
  ])('is accepted with line ends of %s', async (_, end) => {
    const { certificates } = await inspect([crt('mozilla', bundle(end))]);
    expect(rootCertificates.length).toBeGreaterThan(100);
    expect(certificates.length).toBeGreaterThan(rootCertificates.length * 0.9);
    expect(new Set(certificates.map(({ name }) => name)).size).toBe(certificates.length);
    expect(certificates.filter(({ in_rootfs: inRootfs }) => inRootfs).length).toBeLessThanOrEqual(1);
  });

  it('is accepted in the declaration too', async () => {
    const { certificates } = await inspect([
      yaml('certificates:', '  - name: mozilla', `    pem: ${literal(rootCertificates.join('\n'))}`),
    ]);
    expect(certificates.length).toBeGreaterThan(100);
  });

  it('with comments and dashes changes nothing in the certificates', async () => {
    const plain = await inspect([crt('mozilla', rootCertificates.join('\n'))]);
    expect((await inspect([crt('mozilla', bundle())])).certificates).toEqual(plain.certificates);
  });
});

describe('skips', () => {
  it('an expired certificate at any position', async () => {
    const { certificates, warnings } = await inspect([crt('mixed', EXPIRED + EXAMPLE_ROOT + EXPIRED + UNICODE_ROOT)]);
    // The file starts with the expired certificate: under the file's name, OpenSSL would find only that certificate.
    expect(certificates.map(({ name, file, in_rootfs: own }) => [name, file, own])).toEqual([
      ['mixed-2', `${FOLDER}mixed-2.crt`, false],
      ['mixed-4', `${FOLDER}mixed-4.crt`, false],
    ]);
    expect(warnings).toEqual([
      {
        code: 'CERTIFICATE_SKIPPED',
        message: 'The certificate of CN=Old Root expired on 2026-11-20, so it is not added.',
        path: `rootfs/${FOLDER}mixed.crt`,
      },
    ]);
  });

  it('a repeated certificate, in one text or in several', async () => {
    const { certificates, warnings } = await inspect([
      crt('a', EXAMPLE_ROOT + EXAMPLE_ROOT),
      crt('b', UNICODE_ROOT),
      crt('c', UNICODE_ROOT),
      yaml('certificates:', '  - name: d', `    pem: ${literal(EXAMPLE_ROOT)}`),
    ]);
    expect(certificates.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(warnings.map(({ code, path }) => [code, path])).toEqual([
      ['CERTIFICATE_SKIPPED', `rootfs/${FOLDER}a.crt`],
      ['CERTIFICATE_SKIPPED', `rootfs/${FOLDER}c.crt`],
      ['CERTIFICATE_SKIPPED', 'customization.yaml'],
    ]);
    expect(warnings[0]?.message).toMatch(/^The certificate of .* occurs more than once and is added once\.$/);
  });

  it('names in use when it names further certificates', async () => {
    const { certificates } = await inspect([
      crt('x', EXAMPLE_ROOT + UNICODE_ROOT),
      crt('x-2', LEAF),
      crt('x-3', EXAMPLE_ROOT),
    ]);
    expect(certificates.map(({ name }) => name)).toEqual(['x', 'x-4', 'x-2']);
  });
});

it('a file that does not end in .crt is not added and causes a warning', async () => {
  const { certificates, warnings } = await inspect([rootfs(`${FOLDER}a.pem`, { content: EXAMPLE_ROOT })]);
  expect(certificates).toEqual([]);
  expect(warnings).toEqual([
    {
      code: 'CERTIFICATE_SKIPPED',
      message: 'The name of the file does not end in .crt, so it is not added to the trust store.',
      path: `rootfs/${FOLDER}a.pem`,
    },
  ]);
});

it('accepts a certificate after a byte order mark', async () => {
  const { certificates } = await inspect([crt('a', `\ufeff${EXAMPLE_ROOT}`)]);
  expect(certificates.map(({ name }) => name)).toEqual(['a']);
});

describe('a file of rootfs in another form', () => {
  const forms: [string, string][] = [
    ['indented', EXAMPLE_ROOT.replace(/^/gm, '    ')],
    ['with CR at the ends of lines', EXAMPLE_ROOT.replaceAll('\n', '\r')],
    ['with CR LF at the ends of lines', EXAMPLE_ROOT.replaceAll('\n', '\r\n')],
    ['behind a byte order mark', `\ufeff${EXAMPLE_ROOT}`],
    ['without a line end at its end', EXAMPLE_ROOT.trimEnd()],
    ['on lines of 76 columns', rewrapped(EXAMPLE_ROOT, 76)],
    ['on one line', rewrapped(EXAMPLE_ROOT, 10_000)],
    ['on one line with its boundaries', EXAMPLE_ROOT.replaceAll('\n', '')],
    ['with a comment behind its end', EXAMPLE_ROOT.replace(/\n$/, '# next\n')],
    ['with empty lines', EXAMPLE_ROOT.replaceAll('\n', '\n\n')],
    ['with spaces behind its lines', EXAMPLE_ROOT.replaceAll('\n', ' \n')],
    ['with an old label', EXAMPLE_ROOT.replaceAll('CERTIFICATE', 'X509 CERTIFICATE')],
  ];

  it.each(forms)('%s gets the normal form', async (_, text) => {
    const { certificates } = await inspect([crt('a', text)]);
    expect(certificates).toMatchObject([{ name: 'a', in_rootfs: true, rewritten: true, pem: EXAMPLE_ROOT }]);
  });

  it('is not rewritten if it contains the normal form', async () => {
    for (const text of [EXAMPLE_ROOT, `# Example Root\n\n${EXAMPLE_ROOT}# end`, EXAMPLE_ROOT + UNICODE_ROOT]) {
      const { certificates } = await inspect([crt('a', text)]);
      expect(certificates[0]).toMatchObject({ name: 'a', in_rootfs: true, pem: EXAMPLE_ROOT });
      expect(certificates[0]).not.toHaveProperty('rewritten');
    }
  });

  it('with two certificates and no line end between them adds both', async () => {
    const { certificates } = await inspect([crt('a', EXAMPLE_ROOT.trimEnd() + UNICODE_ROOT.trimEnd())]);
    expect(certificates.map(({ name, pem, rewritten }) => [name, pem, rewritten])).toEqual([
      ['a', EXAMPLE_ROOT, true],
      ['a-2', UNICODE_ROOT, undefined],
    ]);
  });
});

/** Returns the same certificate with lines of another length. */
function rewrapped(pem: string, columns: number): string {
  const [begin = '', ...lines] = pem.trimEnd().split('\n');
  const end = lines.pop() ?? '';
  return [begin, ...(lines.join('').match(new RegExp(`.{1,${columns}}`, 'g')) ?? []), end, ''].join('\n');
}

describe('rejected', () => {
  const told = async (content: string) => (await rejections(crt('a', content)))[0];

  it('a bundle of expired certificates only', async () => {
    expect(await told(EXPIRED + EXPIRED)).toBe(
      `file:rootfs/${FOLDER}a.crt: the file holds no valid certificate: that of CN=Old Root expired on 2026-11-20; all 2 have expired`,
    );
  });

  it('DER, with the command that turns it into PEM', async () => {
    const der = new X509Certificate(EXAMPLE_ROOT).raw;
    const file = { ...crt('a', ''), body: [der] };
    file.header = { ...file.header, size: der.length };
    expect((await rejections(file))[0]).toContain('it looks like DER, which «openssl x509 -inform DER» turns into PEM');
    expect(await told(EXAMPLE_ROOT.replace(/-.*-\n/g, ''))).toContain('PEM without its first and its last line');
    expect(await told(EXAMPLE_ROOT.replaceAll('\n', '\\n'))).toContain('has «\\n» in place of line ends');
    const utf16 = Buffer.from(`\ufeff${EXAMPLE_ROOT}`, 'utf16le');
    expect((await rejections(rootfs(`${FOLDER}a.crt`, { content: utf16 })))[0]).toContain('it looks like UTF-16');
    for (const [oid, remedy] of [
      ['02', 'it looks like PKCS #7, which «openssl pkcs7 -inform DER -print_certs»'],
      ['01', 'it looks like PKCS #12, whose certificates «openssl pkcs12 -nokeys»'],
    ] as const) {
      const content = Buffer.from(`30820100020103308200f006092a864886f70d0107${oid}`, 'hex');
      expect((await rejections(rootfs(`${FOLDER}a.crt`, { content })))[0]).toContain(remedy);
    }
    expect(await told('hello')).toMatch(/holds no certificate in PEM \(-----BEGIN CERTIFICATE-----\)$/);
  });

  it('blocks that are cut off, mixed up, or something else', async () => {
    const [first = '', ...rest] = EXAMPLE_ROOT.trimEnd().split('\n');
    expect(await told(EXAMPLE_ROOT + EXAMPLE_ROOT.slice(0, -5))).toContain('cut off (number 2)');
    expect(await told(rest.join('\n'))).toContain('cut off (number 1)');
    expect(await told(`${first}\n${EXAMPLE_ROOT}`)).toContain('cut off (number 1)');
    expect(await told(EXAMPLE_ROOT.replace('END CERT', 'END X509 CERT'))).toContain('cut off');
    expect(await told(EXAMPLE_ROOT.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'))).toContain(
      'holds a PEM block "TRUSTED CERTIFICATE"; only CERTIFICATE is allowed; «openssl x509 -in FILE -out NEW» turns it into one',
    );
    expect(await told(EXAMPLE_ROOT.replaceAll('CERTIFICATE', 'PKCS7'))).toContain(
      '«openssl pkcs7 -print_certs -in FILE',
    );
    expect(await told(EXAMPLE_ROOT.replaceAll('CERTIFICATE', 'X509 CRL'))).toMatch(/only CERTIFICATE is allowed$/);
    expect(await told(EXAMPLE_ROOT + UNICODE_ROOT.replace('MIIC', 'MIID'))).toContain('cannot be read (number 2 of 2)');
  });

  it('more than 500 certificates, and files of more than 4 MiB together', async () => {
    expect(await told(EXAMPLE_ROOT.repeat(501))).toContain('the file holds more than 500 certificates');
    expect(await rejections(crt('a', EXAMPLE_ROOT.repeat(300)), crt('b', UNICODE_ROOT.repeat(201)))).toEqual([
      'file: more than 500 certificates',
    ]);
    expect(await rejections(crt('a', EXAMPLE_ROOT.repeat(300)), crt('b', UNICODE_ROOT.repeat(200)))).toEqual([]);
    const large = EXAMPLE_ROOT + '\n'.repeat(1_000_000);
    const files = [1, 2, 3, 4, 5].map((number) => crt(String(number), large));
    expect(await rejections(...files)).toEqual([
      `file:rootfs/${FOLDER}5.crt: with it, the archive has more than 500 certificate files or 4194304 bytes of them`,
    ]);
  });

  it('a crafted label, in linear time', async () => {
    const started = performance.now();
    expect(await told(`-----BEGIN ${'PRIVATE KEY'.repeat(90_000)}`)).toContain('holds no certificate');
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
