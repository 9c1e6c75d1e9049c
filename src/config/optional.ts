// Objects whose fields may be undefined, as objects without these fields.

type Optional<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };
type Complete<Fields> = { [Name in keyof Fields]: Exclude<Fields[Name], undefined> };

/** The fields that have a value. */
export function optional<Fields extends object>(fields: Fields): Optional<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Optional<Fields>;
}

/** The fields, frozen, when each has a value; else undefined. */
export function together<Fields extends object>(fields: Fields): Readonly<Complete<Fields>> | undefined {
  if (Object.values(fields).includes(undefined)) return undefined;
  return Object.freeze(fields as Complete<Fields>);
}
