// Reads values that are stored as JSON: each kind has one schema, and the error for a mismatch names the row or content.
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

/** A stored value that does not match its schema: another version of Larder wrote it, or an operator changed the row by hand. */
export class StoredValueError extends Error {
  override readonly name = 'StoredValueError';
  readonly code = 'STORED_VALUE_UNREADABLE';
}

/** Checks a stored value and returns it typed. `id` names the row or the content for the error. Throws StoredValueError. */
export type ReadStored<T> = (value: unknown, id: string) => T;

/** Returns the reader of a kind of value. `noun` names the kind in errors: `pin of base image`. */
export function storedValue<S extends TSchema>(noun: string, schema: S): ReadStored<Static<S>> {
  // Compiled at the first use: a process reads few of the kinds.
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
