// How a name in an archive becomes a path in a listing, and how paths are taken apart.

/** Components without empty ones and `.`; `..` stays. */
export function partsOf(name: string): string[] {
  return name.split('/').filter((part) => part !== '' && part !== '.');
}

/** The path of a listing: no `/` or `./` in front, none doubled, none behind. The root is ''. `..` stays: see `climbs`. */
export function cleanPath(name: string): string {
  return partsOf(name).join('/');
}

/** True when a component is `..`: no archive needs one in a name, and those that have it mean harm. */
export function climbs(name: string): boolean {
  return name.includes('..') && name.split('/').includes('..');
}

/** The folder a path is in; of a top-level path ''. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The folders above a path, outermost first, without the root. */
export function ancestorsOf(path: string): string[] {
  const ancestors: string[] = [];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
    ancestors.push(path.slice(0, slash));
  return ancestors;
}
