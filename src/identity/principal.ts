// The caller of a function: always an argument, never global state.
import type { Role, TokenScope } from '../contract/vocabulary.ts';

export type Principal = {
  organization_id: string;
  user_id: string;
  /** The name of the user, for created_by and similar fields. */
  name: string;
  /** The role of the token, which may be lower than the user's. */
  role: Role;
  /** The scopes of the token. Absent: all. */
  scopes?: readonly TokenScope[];
  /** The API token of the call. */
  token_id?: string;
  /** The session of the call. */
  session_id?: string;
};
