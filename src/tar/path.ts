// Converts names in archives to paths in listings, and splits paths.

/** Returns the components of a path. Omits empty components and `.`, but keeps `..`. */
export function partsOf(name: string): string[] {
  return name.split('/').filter((part) => part !== '' && part !== '.');
}

/**
 * Returns the path for a listing: without a leading `/` or `./`, and without doubled or trailing `/`. The path of the root is
 * ''. Keeps `..`, which callers must reject (see `climbs`).
 */
export function cleanPath(name: string): string {
  return partsOf(name).join('/');
}

/** Whether a component of a name is `..`. No archive needs `..`, so its use is a sign of an attack. */
export function climbs(name: string): boolean {
  return name.includes('..') && name.split('/').includes('..');
}

/** Returns the parent folder of a path, or '' for a path at the top. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Returns the parent folders of a path, the outermost first, without the root. */
export function ancestorsOf(path: string): string[] {
  const ancestors: string[] = [];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
    ancestors.push(path.slice(0, slash));
  return ancestors;
}
