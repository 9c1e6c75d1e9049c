// Converts names in archives to paths in listings, and splits paths.

/** Returns the components of a path without empty ones and `.`; `..` stays. */
export function partsOf(name: string): string[] {
  return name.split('/').filter((part) => part !== '' && part !== '.');
}

/**
 * Returns the path for a listing: without a leading `/` or `./`, without doubled or trailing `/`. The root is ''. Keeps `..`, which callers
 * reject (see `climbs`).
 */
export function cleanPath(name: string): string {
  return partsOf(name).join('/');
}

/** Whether a component of a name is `..`. No archive needs this, so it indicates an attack. */
export function climbs(name: string): boolean {
  return name.includes('..') && name.split('/').includes('..');
}

/** Returns the parent folder of a path; '' for a top-level path. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Returns the parent folders of a path, outermost first, without the root. */
export function ancestorsOf(path: string): string[] {
  const ancestors: string[] = [];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
    ancestors.push(path.slice(0, slash));
  return ancestors;
}
