// The templates in `chart/templates/` of an archive: their names, their text, and the names that they define.
import { definitionsOf } from '../helm/template-definitions.ts';
import type { ChartTemplate } from '../plan/chart-parts.ts';
import type { EntryType, Listing } from '../tar/listing-entry.ts';
import { baseName } from '../tar/path.ts';
import { quoted } from '../yaml/quoted.ts';
import { fieldOf, type Violations } from './errors.ts';
import { CHART_TEMPLATES_BYTES_MAX, CHART_TEMPLATES_MAX } from './limits.ts';

export const CHART = 'chart';
const CHART_TEMPLATES = `${CHART}/templates/`;

/** Folders below `templates/`: charts have one level (`tests/`), few have two. */
const FOLDERS_MAX = 3;
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;
/** Names that Larder needs for its own templates (src/helm/label-objects.ts). */
const OF_LARDER = /^_larder-/i;

type Placed = { path: string; type: EntryType; size: number };

/** Returns the fault of an entry of `chart/`, if any. */
export function chartProblem({ path, type, size }: Placed): string | undefined {
  const isFolder = type === 'folder';
  if (`${path}/` === CHART_TEMPLATES) return isFolder ? undefined : 'it must be a folder';
  if (!path.startsWith(CHART_TEMPLATES)) return `only chart/templates/ may be in chart/${remedy(path)}`;
  const parts = path.slice(CHART_TEMPLATES.length).split('/');
  const folders = isFolder ? parts : parts.slice(0, -1);
  if (folders.length > FOLDERS_MAX) return `it is deeper than ${FOLDERS_MAX} folders of chart/templates/`;
  if (!parts.every((part) => SEGMENT.test(part)))
    return 'names in chart/templates/ are at most 100 letters, digits, . _ - and do not begin with . or -';
  if (isFolder) return undefined;
  if (type !== 'file') return 'a template must be a regular file';
  return nameFault(parts.at(-1) ?? '') ?? (size > CHART_TEMPLATES_BYTES_MAX ? TOO_LARGE : undefined);
}

function remedy(path: string): string {
  if (/^chart\/values\.ya?ml$/.test(path))
    return '; write the values into customization.yaml, under chart: and values:';
  return '';
}

function nameFault(name: string): string | undefined {
  if (OF_LARDER.test(name)) return 'names that begin with _larder- are those of Larder';
  if (/^notes\.txt$/i.test(name)) return 'the chart has its own NOTES.txt';
  const fits = name.startsWith('_') ? name.endsWith('.tpl') : /\.ya?ml$/.test(name);
  return fits ? undefined : 'a template is called NAME.yaml, or _NAME.tpl if it only defines names for others';
}

const TOO_LARGE = `the templates of an archive may have ${CHART_TEMPLATES_BYTES_MAX} bytes together`;

/** Whether the text of an entry is a template. */
export function isTemplatePath(path: string): boolean {
  return path.startsWith(CHART_TEMPLATES);
}

/** Returns the templates in the order of their names, and reports the faults of their texts. */
export function checkTemplates(
  { listing, contents }: { listing: Listing; contents: ReadonlyMap<string, Buffer> },
  violations: Violations,
): ChartTemplate[] {
  const files = listing.filter(({ path, type }) => isTemplatePath(path) && type === 'file');
  const fault = countFault(files);
  if (fault !== undefined) {
    violations.add('file', fault);
    return [];
  }
  const templates = files
    .map(({ path }) => readTemplate(path, { bytes: contents.get(path) ?? Buffer.alloc(0), violations }))
    .sort((one, other) => (one.path < other.path ? -1 : 1));
  checkDefinitions(templates, violations);
  return templates;
}

function countFault(files: Listing): string | undefined {
  if (files.length > CHART_TEMPLATES_MAX)
    return `the archive has more than ${CHART_TEMPLATES_MAX} templates in chart/templates/`;
  return files.reduce((sum, { size }) => sum + size, 0) > CHART_TEMPLATES_BYTES_MAX ? TOO_LARGE : undefined;
}

function readTemplate(path: string, { bytes, violations }: { bytes: Buffer; violations: Violations }): ChartTemplate {
  const inside = path.slice(CHART_TEMPLATES.length);
  const text = decode(bytes);
  const problem = text === undefined ? 'a template must be UTF-8' : textFault(text);
  if (problem !== undefined) violations.add(fieldOf(path), problem);
  return { path: inside, text: text ?? '', defines: definitionsOf(text ?? '') };
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function textFault(text: string): string | undefined {
  if (text.trim() === '') return 'the template is empty';
  if (text.startsWith('\ufeff')) return 'it begins with a byte order mark; save it as UTF-8 without one';
  // YAML 1.2, 5.1: the characters that a document may not contain.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text)) return 'a template must not hold control characters';
  return undefined;
}

/** Without escapes, so that two spellings of one name are not taken for two names. */
const NAME_OF_DEFINITION = /^[A-Za-z0-9._/-]{1,200}$/;

function checkDefinitions(templates: readonly ChartTemplate[], violations: Violations): void {
  const definedIn = new Map<string, string>();
  for (const { path, defines } of templates) {
    for (const name of defines) {
      if (!NAME_OF_DEFINITION.test(name))
        violations.add(
          fieldOf(CHART_TEMPLATES + path),
          `it defines ${quoted(name)}; names have letters, digits, . _ - and /`,
        );
      const first = definedIn.get(name);
      if (first === undefined) definedIn.set(name, path);
      else
        violations.add(
          fieldOf(CHART_TEMPLATES + path),
          `it defines ${quoted(name)}, which ${baseName(first)} defines too`,
        );
    }
  }
}
