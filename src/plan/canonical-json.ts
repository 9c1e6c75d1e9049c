// Canonical JSON (similar to RFC 8785). It has sorted keys and no undefined values, so that equal values have equal digests.

/** Returns JSON in which the keys of every object are sorted by code unit. Throws for values that JSON cannot represent. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be written as JSON`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`A value of type ${typeof value} cannot be written as JSON`);
  const pairs = Object.entries(value).filter(([, one]) => one !== undefined);
  pairs.sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${pairs.map(([key, one]) => `${JSON.stringify(key)}:${canonicalJson(one)}`).join(',')}}`;
}
