// Checks that an answer has the shape that the contract defines: required fields, and the types of values. Enumerations,
// patterns and lengths are not checked, because a later version of the server may send more values and a client can still
// show them.

type Schema = {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
};

const KINDS: Record<string, (value: unknown) => boolean> = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
};

/** Returns the fault of a value and its place, or undefined if the value has the shape of the schema. */
export function shapeProblem(schema: object, value: unknown, at = 'it'): string | undefined {
  const { type, properties, required = [], items, anyOf } = schema as Schema;
  if (anyOf !== undefined) {
    const problems = anyOf.map((one) => shapeProblem(one, value, at));
    return problems.includes(undefined) ? undefined : problems[0];
  }
  if (type !== undefined && KINDS[type]?.(value) === false) return `${at} is not of type ${type}`;
  if (items !== undefined && Array.isArray(value)) {
    return firstOf(value, (item, index) => shapeProblem(items, item, `${at}[${index}]`));
  }
  if (properties === undefined || KINDS['object']?.(value) === false) return undefined;
  const fields = value as Record<string, unknown>;
  return firstOf(Object.entries(properties), ([name, field]) => {
    const place = at === 'it' ? name : `${at}.${name}`;
    if (fields[name] !== undefined) return shapeProblem(field, fields[name], place);
    return required.includes(name) ? `${place} is missing` : undefined;
  });
}

function firstOf<T>(all: readonly T[], check: (one: T, index: number) => string | undefined): string | undefined {
  for (const [index, one] of all.entries()) {
    const problem = check(one, index);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
