// The caller of a function. It is always passed as an argument and is never global.
import type { Role, TokenScope } from '../contract/vocabulary.ts';

export type Principal = {
  organization_id: string;
  user_id: string;
  /** The name of the user, which is stored in created_by and similar fields. */
  name: string;
  /** The role of the caller's token, which may be lower than the role of the user. */
  role: Role;
  /** The scopes of the caller's token. If absent, the caller has all scopes. */
  scopes?: readonly TokenScope[];
  /** The API token with which the call was made. */
  token_id?: string;
  /** The session in which the call was made. */
  session_id?: string;
};
