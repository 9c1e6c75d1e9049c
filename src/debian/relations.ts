// Parses names, versions and relations of packages by the grammar of Debian policy. Accepted values are unambiguous, so every
// program reads them in the same way.
import { ControlDataError } from './control-stanzas.ts';

/** The syntax of a package name (Debian policy 5.6.1). */
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/;
/**
 * The syntax of a version (Debian policy 5.6.12). Like dpkg, this also accepts a version that begins with a letter, because
 * older packages have such versions.
 */
const VERSION = /^(?:[0-9]{1,10}:)?[0-9A-Za-z][0-9A-Za-z.+:~-]*$/;
/** The syntax of an architecture (Debian policy 5.6.8). */
const ARCHITECTURE = /^[a-z0-9][a-z0-9-]*$/;
/** The most characters in a name or version. Both are parts of file names, so they cannot be longer than a file name. */
const LENGTH_MAX = 200;

export function isPackageName(text: string): boolean {
  return text.length <= LENGTH_MAX && PACKAGE_NAME.test(text);
}

export function isVersion(text: string): boolean {
  return text.length <= LENGTH_MAX && VERSION.test(text);
}

export function isArchitecture(text: string): boolean {
  return text.length <= LENGTH_MAX && ARCHITECTURE.test(text);
}

/** The syntax of a relation (Debian policy 7.1). Virtual packages of third parties have capitals and underscores. */
const RELATION =
  /^([A-Za-z0-9][A-Za-z0-9+._-]*)(?::([a-z0-9][a-z0-9-]*))?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s()]+)\s*\))?$/;

/**
 * Returns the relations of a field, each written again: `libc6 (>= 2.36), redis
 * valkey`. Throws ControlDataError.
 */
export function formatRelations(field: string, line: number): string {
  return field
    .split(',')
    .map((alternatives) => alternatives.trim())
    .filter((alternatives) => alternatives !== '')
    .map((alternatives) =>
      alternatives
        .split('|')
        .map((one) => formatRelation(one.trim(), line))
        .join(' | '),
    )
    .join(', ');
}

function formatRelation(text: string, line: number): string {
  const [, name = '', architecture, operator, version = ''] = RELATION.exec(text) ?? [];
  if (name === '' || name.length > LENGTH_MAX || (operator !== undefined && !isVersion(version))) {
    throw new ControlDataError(
      `${JSON.stringify(text.slice(0, 100))} is not a valid package relationship; expected a form like "libc6 (>= 2.36)"`,
      line,
    );
  }
  const qualified = architecture === undefined ? name : `${name}:${architecture}`;
  return operator === undefined ? qualified : `${qualified} (${operator} ${version})`;
}
