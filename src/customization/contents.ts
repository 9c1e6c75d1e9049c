// Checks the contents of an archive: its declaration, certificates and scripts, and their combination.
import type { ChartParts } from '../plan/chart-parts.ts';
import { HOOK_NAMES } from '../plan/inspection.ts';
import type { Listing } from '../tar/listing-entry.ts';
import { DECLARATION, type Entries, hookOf, scriptTextProblem, type Taken } from './archive-rules.ts';
import type { TrustedCertificate } from './certificates.ts';
import { checkTemplates } from './chart-templates.ts';
import { type Declaration, NOTHING_DECLARED, NOTHING_FOR_CHARTS, readDeclaration } from './declaration.ts';
import { fieldOf, type Violations } from './errors.ts';
import { type Hook, type Inspection, ROOTFS } from './inspection.ts';
import { trustedCertificates } from './trusted-certificates.ts';
import type { Warnings } from './warnings.ts';

type CheckContext = { violations: Violations; now: Date };

/** Returns the inspection without sizes and times. Adds all faults to the violations. */
export function checkContents(taken: Taken, context: CheckContext): Omit<Inspection, 'size' | 'expanded' | 'epoch'> {
  const { declaration, chart: declaredChart, certificates: declared } = checkDeclaration(taken, context);
  const certificates = trustedCertificates(taken, { declared, ...context });
  const hooks = checkHooks(taken, context);
  checkCombination(taken.entries, { declaration, certificates }, context);
  const listing = taken.entries.listing;
  warnOfModes(listing, declaration, taken.warnings);
  const templates = checkTemplates({ listing, contents: taken.contents }, context.violations);
  const chart = { ...declaredChart, templates };
  const ofImages = { listing, declaration, certificates, hooks };
  const part_kinds = [
    ...(changesImages(ofImages) ? ['IMAGE' as const] : []),
    ...(changesCharts(chart) ? ['CHART' as const] : []),
  ];
  if (!context.violations.any && part_kinds.length === 0) context.violations.add('file', NOTHING);
  return { ...ofImages, part_kinds, ...(changesCharts(chart) && { chart }), ...taken.warnings.found };
}

const NOTHING =
  'the archive changes nothing: it has no file in rootfs/, no script in scripts/, no template in chart/templates/, and nothing in customization.yaml';

function checkDeclaration({ contents }: Taken, { violations, now }: CheckContext): ReturnType<typeof readDeclaration> {
  const bytes = contents.get(DECLARATION);
  if (bytes === undefined) return { declaration: NOTHING_DECLARED, chart: NOTHING_FOR_CHARTS, certificates: [] };
  const tell = (line: number | undefined, message: string) =>
    violations.add(fieldOf(DECLARATION), line === undefined ? message : `line ${line}: ${message}`);
  return readDeclaration(bytes, { tell, now });
}

function checkHooks({ entries, contents }: Taken, { violations }: CheckContext): Hook[] {
  const hooks: Hook[] = [];
  for (const { path, digest, size } of entries.listing) {
    const name = hookOf(path);
    if (name === undefined || digest === undefined) continue;
    const problem = hooks.some((hook) => hook.name === name)
      ? `there are two scripts for ${name}`
      : scriptTextProblem(contents.get(path) ?? Buffer.alloc(0));
    if (problem === undefined) hooks.push({ name, path, digest, size });
    else violations.add(fieldOf(path), problem);
  }
  return hooks.sort((a, b) => HOOK_NAMES.indexOf(a.name) - HOOK_NAMES.indexOf(b.name));
}

export const BUNDLE = 'etc/ssl/certs/ca-certificates.crt';

/** Rejects conflicts between rootfs and the declaration, such as a composed file that is also in rootfs. */
function checkCombination(
  entries: Entries,
  { declaration, certificates }: { declaration: Declaration; certificates: TrustedCertificate[] },
  { violations }: CheckContext,
): void {
  const composed = [
    ...(certificates.length > 0 ? [BUNDLE] : []),
    ...(declaration.users.length > 0 ? ['etc/passwd', 'etc/group'] : []),
  ];
  for (const path of composed) {
    const brought = entries.get(ROOTFS + path) !== undefined || declaration.files.some((file) => file.path === path);
    if (brought)
      violations.add(
        fieldOf(ROOTFS + path),
        'the file is composed from the image’s own and the declaration, so it cannot be in the archive',
      );
  }
  for (const file of declaration.files) {
    const entry = entries.get(ROOTFS + file.path);
    const problem =
      fileProblem(entry?.type, file.content !== undefined) ??
      (file.content === undefined ? undefined : entries.relationProblem({ path: ROOTFS + file.path, type: 'file' }));
    if (problem !== undefined) violations.add(fieldOf(DECLARATION), `files: /${file.path}: ${problem}`);
  }
  for (const { file, in_rootfs: inRootfs } of certificates) {
    if (!inRootfs && entries.get(ROOTFS + file) !== undefined)
      violations.add(fieldOf(ROOTFS + file), 'a certificate of the declaration also has this name');
  }
}

function fileProblem(type: string | undefined, hasContent: boolean): string | undefined {
  if (hasContent) return type === undefined ? undefined : 'it has content here and is in rootfs too; keep one of them';
  if (type === undefined) return 'it is not in rootfs and has no content here; add one of them';
  return type === 'file' || type === 'folder' ? undefined : 'it is a link, which cannot have an owner or a mode';
}

/** Warns of unusual modes of files. A declared mode is intended, so it causes no warning. */
function warnOfModes(listing: Listing, { files }: Declaration, warnings: Warnings): void {
  const declared = new Set(files.flatMap(({ path, mode }) => (mode === undefined ? [] : [ROOTFS + path])));
  for (const { path, mode, type } of listing) {
    if (!path.startsWith(ROOTFS) || (type !== 'file' && type !== 'folder') || declared.has(path)) continue;
    const bits = SPECIAL_BITS.filter(({ bit }) => (mode & bit) !== 0).map(({ name }) => name);
    if (bits.length > 0) {
      const message = `The ${type} loses its ${bits.join(' and ')} bit; declare its mode under files to keep it.`;
      warnings.add('SPECIAL_MODE_LOST', message, path);
    }
    if ((mode & 0o002) !== 0) {
      const message = `Every user of the image can write to the ${type}; remove that right (chmod o-w) or declare its mode under files.`;
      warnings.add('WORLD_WRITABLE', message, path);
    }
  }
}

const SPECIAL_BITS = [
  { bit: 0o4000, name: 'setuid' },
  { bit: 0o2000, name: 'setgid' },
  { bit: 0o1000, name: 'sticky' },
];

type OfImages = Pick<Inspection, 'listing' | 'declaration' | 'certificates' | 'hooks'>;

function changesImages({ listing, declaration, certificates, hooks }: OfImages): boolean {
  const { packages, files, users, environment, labels } = declaration;
  const lists = [listing.filter(({ path }) => path.startsWith(ROOTFS)), certificates, hooks, packages, files, users];
  return [...lists, Object.keys(environment), Object.keys(labels)].some((list) => list.length > 0);
}

function changesCharts({ values, labels, annotations, templates }: ChartParts): boolean {
  return [templates, ...[values, labels, annotations].map(Object.keys)].some((list) => list.length > 0);
}
