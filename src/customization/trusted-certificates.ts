// All certificates that a customization adds to the trust store, with their names in the image.
import { baseName } from '../tar/path.ts';
import { CERTIFICATES_FOLDER, DECLARATION, isCertificatePath, type Taken } from './archive-rules.ts';
import {
  CertificateRejected,
  type CheckedCertificate,
  holdsNormalForm,
  readCertificates,
  type TrustedCertificate,
} from './certificates.ts';
import type { NamedCertificates } from './declaration.ts';
import { fieldOf, type Violations } from './errors.ts';
import { ROOTFS } from './inspection.ts';
import { CERTIFICATE_BYTES_MAX, CERTIFICATE_FILES_BYTES_MAX, CERTIFICATES_MAX } from './limits.ts';

type CheckContext = { declared: NamedCertificates[]; violations: Violations; now: Date };

/**
 * Certificates from one place: a rootfs file or the declaration. `path` is that file in the archive; `file` and `text` exist only for
 * rootfs files.
 */
type Source = NamedCertificates & { path: string; file?: string; text?: string };

/** Returns the certificates of rootfs and of the declaration, without repetitions. */
export function trustedCertificates(taken: Taken, context: CheckContext): TrustedCertificate[] {
  const declared = context.declared.map((one): Source => ({ ...one, path: DECLARATION }));
  const sources = [...sourcesOfRootfs(taken, context), ...declared];
  const count = sources.reduce((sum, one) => sum + one.count, 0);
  if (count > CERTIFICATES_MAX) context.violations.add('file', `more than ${CERTIFICATES_MAX} certificates`);
  const naming = new Naming(taken, context.violations);
  const kept = withoutRepeated(sources, taken);
  for (const { source, certificate } of kept) if (certificate.index === 0) naming.claim(source);
  return kept.map(({ source, certificate }) => {
    const { index, warnings, ...trusted } = certificate;
    for (const { code, message } of warnings) taken.warnings.add(code, message, source.path);
    const name = index === 0 ? source.name : naming.free(source.name, index + 1);
    const inRootfs = index === 0 && source.file !== undefined;
    const file = inRootfs && source.file !== undefined ? source.file : `${CERTIFICATES_FOLDER}${name}.crt`;
    const rewritten = inRootfs && !holdsNormalForm(source.text ?? '', trusted.pem);
    return { ...trusted, name, file, in_rootfs: inRootfs, ...(rewritten && { rewritten }) };
  });
}

/** Returns the certificates in the folder of rootfs for local certificates, which update-ca-certificates would trust. */
function sourcesOfRootfs({ entries, contents, warnings }: Taken, { violations, now }: CheckContext): Source[] {
  const sources: Source[] = [];
  let count = 0;
  for (const { path, type, size } of entries.listing) {
    if (!path.startsWith(ROOTFS + CERTIFICATES_FOLDER) || type === 'folder') continue;
    if (!isCertificatePath(path)) {
      // update-ca-certificates(8) ignores files whose names do not end in .crt.
      warnings.add(
        'CERTIFICATE_SKIPPED',
        'The name of the file does not end in .crt, so it is not added to the trust store.',
        path,
      );
      continue;
    }
    const bytes = contents.get(path);
    if (type !== 'file') {
      warnings.add('CERTIFICATE_SKIPPED', 'The file is a link and is not added to the trust store.', path);
    } else if (size > CERTIFICATE_BYTES_MAX) {
      violations.add(fieldOf(path), `it is larger than the ${CERTIFICATE_BYTES_MAX} bytes that certificates may have`);
    } else if (bytes === undefined) {
      const most = `${CERTIFICATES_MAX} certificate files or ${CERTIFICATE_FILES_BYTES_MAX} bytes of them`;
      violations.add(fieldOf(path), `with it, the archive has more than ${most}`);
    } else if (count <= CERTIFICATES_MAX) {
      // Files are read until the certificates exceed the limit: this is enough to reject the archive.
      const read = readFile(bytes, { path, violations, now });
      if (read !== undefined) sources.push(read);
      count += read?.count ?? 0;
    }
  }
  return sources;
}

function readFile(
  bytes: Buffer,
  { path, violations, now }: { path: string; violations: Violations; now: Date },
): Source | undefined {
  const name = baseName(path)
    .slice(0, -'.crt'.length)
    .replace(/[^A-Za-z0-9._-]/g, '_');
  try {
    const text = bytes.toString('latin1');
    return { name, path, file: path.slice(ROOTFS.length), text, ...readCertificates(text, now) };
  } catch (error) {
    if (!(error instanceof CertificateRejected)) throw error;
    violations.add(fieldOf(path), `the file ${error.message}`);
    return undefined;
  }
}

/** Returns the certificates without repetitions. Adds warnings for those that are skipped because they are expired or repeated. */
function withoutRepeated(
  sources: Source[],
  { warnings }: Taken,
): { source: Source; certificate: CheckedCertificate }[] {
  const known = new Set<string>();
  return sources.flatMap((source) => {
    for (const { code, message } of source.skipped) warnings.add(code, message, source.path);
    return source.certificates.flatMap((certificate) => {
      const { fingerprint, subject } = certificate;
      if (known.has(fingerprint)) {
        const message = `The certificate of ${subject.slice(0, SUBJECT_SHOWN_MAX)} occurs more than once and is added once.`;
        warnings.add('CERTIFICATE_SKIPPED', message, source.path);
        return [];
      }
      known.add(fingerprint);
      return [{ source, certificate }];
    });
  });
}

/** Limit of characters of a certificate's subject in a message. */
const SUBJECT_SHOWN_MAX = 256;

/** Chooses the names of certificates: they are file names in the image, so each is used once. */
class Naming {
  readonly #taken: Taken;
  readonly #violations: Violations;
  readonly #names = new Set<string>();

  constructor(taken: Taken, violations: Violations) {
    this.#taken = taken;
    this.#violations = violations;
  }

  /** Gives the name of a text to the first certificate in it. */
  claim({ name, path }: Source): void {
    if (this.#names.has(name)) this.#violations.add(fieldOf(path), `there are two certificates called ${name}`);
    this.#names.add(name);
  }

  /** Returns an unused name for a further certificate of a text: NAME-2, NAME-3 and so on. */
  free(name: string, from: number): string {
    for (let number = from; ; number++) {
      const free = `${name}-${number}`;
      const file = `${ROOTFS}${CERTIFICATES_FOLDER}${free}.crt`;
      if (this.#names.has(free) || this.#taken.entries.get(file) !== undefined) continue;
      this.#names.add(free);
      return free;
    }
  }
}
