// Who calls: always an argument, never ambient.
import type { Role, TokenScope } from '../contract/vocabulary.ts';

export type Principal = {
  organization_id: string;
  user_id: string;
  /** The user's, for created_by and its like. */
  name: string;
  /** The token's, which may be less than the user's. */
  role: Role;
  /** What of the role the token reaches. Absent: all of it. */
  scopes?: readonly TokenScope[];
  /** The API token behind the call. */
  token_id?: string;
  /** The session behind the call. */
  session_id?: string;
};
