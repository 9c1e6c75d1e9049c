// Parses `customization.yaml`, in which a customization declares packages, users and settings in addition to the files in its archive.
import type { ChartDeclaration } from '../plan/chart-parts.ts';
import { quoted } from '../yaml/quoted.ts';
import { type IsWhole, type LineOf, readYaml } from '../yaml/read-yaml.ts';
import { CertificateRejected, type ReadCertificates, readCertificates } from './certificates.ts';
import { readChartDeclaration } from './chart-declaration.ts';
import { type DeclarationDocument, DeclarationSchema } from './declaration-schema.ts';
import { type DeclaredFile, readFiles } from './declared-files.ts';
import { type DeclaredUser, readUsers } from './declared-users.ts';
import type { Tell } from './errors.ts';
import { LABEL_BYTES_MAX, VARIABLE_BYTES_MAX } from './limits.ts';

export type Declaration = {
  /** Debian packages in apt's syntax: `name`, `name:architecture`, and either with `=version`. */
  packages: string[];
  files: DeclaredFile[];
  environment: Record<string, string>;
  labels: Record<string, string>;
  users: DeclaredUser[];
};

/** The certificates of one PEM text, and the name of this text. */
export type NamedCertificates = ReadCertificates & { name: string };
export const NOTHING_FOR_CHARTS: ChartDeclaration = { values: {}, labels: {}, annotations: {} };
export const NOTHING_DECLARED: Declaration = { packages: [], files: [], environment: {}, labels: {}, users: [] };

type Context = { tell: Tell; now: Date };
type Located = Context & { lineOf: LineOf; isWhole: IsWhole };
type Read = { declaration: Declaration; chart: ChartDeclaration; certificates: NamedCertificates[] };

/** Reads the whole declaration. Reports each violation with its line, and reads all other parts. */
export function readDeclaration(bytes: Uint8Array, context: Context): Read {
  const { value = {}, violations, lineOf, isWhole } = readYaml(bytes, DeclarationSchema);
  for (const { line, reason } of violations) context.tell(line, reason);
  const { packages = [], files = [], environment = {}, labels = {}, users = [], certificates = [] } = value;
  const located = { ...context, lineOf, isWhole };
  checkPackages(packages, located);
  checkValues('environment', environment, { ...located, bytesMax: VARIABLE_BYTES_MAX });
  checkValues('labels', labels, { ...located, bytesMax: LABEL_BYTES_MAX });
  for (const name of OWN_LABELS.filter((own) => Object.hasOwn(labels, own)))
    context.tell(lineOf('labels', name), `${name} is written by the build and cannot be set`);
  return {
    declaration: { packages, files: readFiles(files, located), environment, labels, users: readUsers(users, located) },
    chart: readChartDeclaration(value.chart ?? {}, located),
    certificates: readNamedCertificates(certificates, located),
  };
}

function checkPackages(packages: readonly string[], { tell, lineOf }: Located): void {
  const names = new Set<string>();
  for (const [index, text] of packages.entries()) {
    const [name = ''] = text.split('=');
    if (names.has(name)) tell(lineOf('packages', index), `the package ${name} is listed twice`);
    names.add(name);
  }
}

function checkValues(
  section: 'environment' | 'labels',
  values: Readonly<Record<string, string>>,
  { tell, lineOf, bytesMax }: Located & { bytesMax: number },
): void {
  for (const [name, text] of Object.entries(values))
    if (Buffer.byteLength(text) > bytesMax) tell(lineOf(section, name), `${name} is longer than ${bytesMax} bytes`);
}

/** Labels that only Larder writes, because they describe the image. */
const OWN_LABELS = ['base.name', 'base.digest', 'created', 'ref.name', 'version'].map(
  (name) => `org.opencontainers.image.${name}`,
);

type CertificateFields = NonNullable<DeclarationDocument['certificates']>[number];

function readNamedCertificates(
  items: readonly CertificateFields[],
  { tell, now, lineOf }: Located,
): NamedCertificates[] {
  const names = new Set<string>();
  return items.flatMap(({ name, pem }, index) => {
    const line = lineOf('certificates', index);
    if (names.has(name)) tell(line, `the certificate ${quoted(name)} is listed twice`);
    names.add(name);
    try {
      return [{ name, ...readCertificates(pem, now) }];
    } catch (error) {
      if (!(error instanceof CertificateRejected)) throw error;
      tell(line, `the certificate ${name} ${error.message}`);
      return [];
    }
  });
}
