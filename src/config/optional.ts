// Removes undefined fields from objects.

type Optional<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };
type Complete<Fields> = { [Name in keyof Fields]: Exclude<Fields[Name], undefined> };

/** Returns the object without its undefined fields. */
export function optional<Fields extends object>(fields: Fields): Optional<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Optional<Fields>;
}

/** Returns the frozen object if every field has a value, and otherwise undefined. */
export function together<Fields extends object>(fields: Fields): Readonly<Complete<Fields>> | undefined {
  if (Object.values(fields).includes(undefined)) return undefined;
  return Object.freeze(fields as Complete<Fields>);
}
