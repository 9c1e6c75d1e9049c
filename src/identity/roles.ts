// The order of the roles: an owner has all rights of an editor, and an editor has all rights of a viewer.
import { ROLES, type Role } from '../contract/vocabulary.ts';

/** Returns the lower of two roles. */
export function lesserRole(one: Role, other: Role): Role {
  return ROLES.indexOf(one) > ROLES.indexOf(other) ? one : other;
}
