// The order of roles: an owner may all that an editor may, and an editor all that a viewer may.
import { ROLES, type Role } from '../contract/vocabulary.ts';

/** The one of two roles that may less. */
export function lesserRole(one: Role, other: Role): Role {
  return ROLES.indexOf(one) > ROLES.indexOf(other) ? one : other;
}
