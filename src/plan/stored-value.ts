// Reads values that are stored as JSON. Each kind of value has one schema. If a value does not match its schema, the error
// names the row or content.
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

/**
 * Thrown for a stored value that does not match its schema, because another version of Larder wrote it or an operator changed
 * the row by hand.
 */
export class StoredValueError extends Error {
  override readonly name = 'StoredValueError';
  readonly code = 'STORED_VALUE_UNREADABLE';
}

/** Checks a stored value and returns it with its type. `id` names the row or content in errors. Throws StoredValueError. */
export type ReadStored<T> = (value: unknown, id: string) => T;

/** Returns the function that reads values of one kind. `noun` names the kind in errors, such as `pin of base image`. */
export function storedValue<S extends TSchema>(noun: string, schema: S): ReadStored<Static<S>> {
  // The schema is compiled at its first use, because a process reads only a few kinds of values.
  let validator: Validator | undefined;
  return (value, id) => {
    validator ??= Compile(schema) as unknown as Validator;
    if (validator.Check(value)) return value as Static<S>;
    const [first] = validator.Errors(value);
    const where = first?.instancePath || 'the value';
    const reason = first ? `${where} ${first.message}` : 'it does not match its schema';
    throw new StoredValueError(`The stored ${noun} ${id} cannot be read by this version of Larder: ${reason}.`);
  };
}
