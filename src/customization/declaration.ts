// `customization.yaml` as a value: what a customization says rather than brings.
import { CertificateRefused, type ReadCertificates, readCertificates } from './certificates.ts';
import { type DeclaredFile, readFiles } from './declared-files.ts';
import { type DeclaredUser, readUsers } from './declared-users.ts';
import {
  CERTIFICATES_MAX,
  LABEL_BYTES_MAX,
  LABELS_MAX,
  PACKAGES_MAX,
  VARIABLE_BYTES_MAX,
  VARIABLES_MAX,
} from './limits.ts';
import { readYaml, YamlRefused } from './yaml.ts';
import { type Fields, fieldsOf, itemsOf, pairsOf, quoted, type Tell, textAt } from './yaml-fields.ts';

export type Declaration = {
  /** Debian packages as apt takes them: `name`, `name:architecture`, and either with `=version`. */
  packages: string[];
  files: DeclaredFile[];
  environment: Record<string, string>;
  labels: Record<string, string>;
  users: DeclaredUser[];
};

/** Certificates of one text, and the name that was given to it. */
export type NamedCertificates = ReadCertificates & { name: string };
export const NOTHING_DECLARED: Declaration = { packages: [], files: [], environment: {}, labels: {}, users: [] };

type Context = { tell: Tell; now: Date };
type Read = { declaration: Declaration; certificates: NamedCertificates[] };

const KEYS = ['certificates', 'packages', 'files', 'environment', 'labels', 'users'] as const;

/** Reads the whole declaration; everything wrong is told with its line, and the rest is read nevertheless. */
export function readDeclaration(bytes: Uint8Array, context: Context): Read {
  try {
    const root = readYaml(bytes);
    if (root.kind === 'nothing') return { declaration: NOTHING_DECLARED, certificates: [] };
    const fields = fieldsOf(root, { known: KEYS, what: 'the document', tell: context.tell });
    return {
      declaration: {
        packages: readPackages(fields, context.tell),
        files: readFiles(fields, context.tell),
        environment: readVariables(fields, context.tell),
        labels: readLabels(fields, context.tell),
        users: readUsers(fields, context.tell),
      },
      certificates: readNamedCertificates(fields, context),
    };
  } catch (error) {
    if (!(error instanceof YamlRefused)) throw error;
    context.tell(error.line, error.message);
    return { declaration: NOTHING_DECLARED, certificates: [] };
  }
}

// Debian policy 5.6.1, 5.6.8 and 5.6.12. A minus at the end would tell apt to remove.
const PACKAGE = /^[a-z0-9][a-z0-9.+-]{0,126}[a-z0-9.+](:[a-z0-9]{1,32}(-[a-z0-9]{1,32}){0,3})?$/;
const VERSION = /^([0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]{0,127}$/;

function readPackages(fields: Fields, tell: Tell): string[] {
  const names = new Set<string>();
  const packages: string[] = [];
  for (const item of itemsOf(fields, 'packages', { max: PACKAGES_MAX, tell })) {
    const text = item.kind === 'text' ? item.text : '';
    const [name = '', version, ...rest] = text.split('=');
    const fits = PACKAGE.test(name) && (version === undefined || VERSION.test(version)) && rest.length === 0;
    if (!fits) tell(item.line, `${quoted(text)} is no package; write name, name:architecture or name=version`);
    else if (names.has(name)) tell(item.line, `the package ${name} is there twice`);
    else packages.push(text);
    names.add(name);
  }
  return packages;
}

function readVariables(fields: Fields, tell: Tell): Record<string, string> {
  const pairs = pairsOf(fields, 'environment', { max: VARIABLES_MAX, tell });
  for (const { name, line, text } of pairs) {
    if (!isVariableName(name)) tell(line, `${quoted(name)} is no name of a variable`);
    if (Buffer.byteLength(text) > VARIABLE_BYTES_MAX) tell(line, `${name} is longer than ${VARIABLE_BYTES_MAX} bytes`);
    if (text.includes('\0')) tell(line, `${name} holds a NUL`);
  }
  return Object.fromEntries(pairs.map(({ name, text }) => [name, text]));
}

/**
 * POSIX (Base Definitions, 8.1) leaves names to programs, with no `=` in them: elasticsearch reads `discovery.type`. Printable ASCII is
 * what every registry and runtime takes. env(1) would read a dash in front as an option (src/oci/image-config-fields.ts).
 */
function isVariableName(name: string): boolean {
  return /^(?![- ])[\x20-\x3c\x3e-\x7e]{1,255}(?<! )$/.test(name) && name !== '__proto__';
}

/** These say what the image is and are Larder's to write. */
const OWN_LABELS = ['base.name', 'base.digest', 'created', 'ref.name', 'version'].map(
  (name) => `org.opencontainers.image.${name}`,
);

function readLabels(fields: Fields, tell: Tell): Record<string, string> {
  const pairs = pairsOf(fields, 'labels', { max: LABELS_MAX, tell });
  for (const { name, line, text } of pairs) {
    if (!/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?$/.test(name))
      tell(line, `${quoted(name)} is no name of a label`);
    if (OWN_LABELS.includes(name)) tell(line, `${name} is written by the build and cannot be set`);
    if (Buffer.byteLength(text) > LABEL_BYTES_MAX) tell(line, `${name} is longer than ${LABEL_BYTES_MAX} bytes`);
    if (text.includes('\0')) tell(line, `${name} holds a NUL`);
  }
  return Object.fromEntries(pairs.map(({ name, text }) => [name, text]));
}

function readNamedCertificates(fields: Fields, { tell, now }: Context): NamedCertificates[] {
  const names = new Set<string>();
  return itemsOf(fields, 'certificates', { max: CERTIFICATES_MAX, tell }).flatMap((item) => {
    const inner = fieldsOf(item, { known: ['name', 'pem'], what: 'an entry of certificates', tell });
    const name = textAt(inner, 'name', { line: item.line, tell, required: true });
    const pem = textAt(inner, 'pem', { line: item.line, tell, required: true });
    if (name === undefined || pem === undefined) return [];
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name))
      tell(item.line, `${quoted(name)} is no name of a certificate; use letters, digits, . _ -`);
    if (names.has(name)) tell(item.line, `the certificate ${name} is there twice`);
    names.add(name);
    try {
      return [{ name, ...readCertificates(pem, now) }];
    } catch (error) {
      if (!(error instanceof CertificateRefused)) throw error;
      tell(item.line, `the certificate ${name} ${error.message}`);
      return [];
    }
  });
}
