// Who calls: always an argument, never ambient.
import type { Role } from '../contract/vocabulary.ts';

export type Principal = {
  organization_id: string;
  user_id: string;
  /** The user's, for created_by and its like. */
  name: string;
  /** The token's, which may be less than the user's. */
  role: Role;
  /** The API token behind the call. */
  token_id?: string;
};
