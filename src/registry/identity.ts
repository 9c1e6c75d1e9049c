// What the registry needs of src/identity, so that it can be handed over as one value.
import type { Role } from '../contract/vocabulary.ts';

/** Who an API token stands for. */
export type TokenHolder = {
  principal: { organization_id: string; user_id: string; name: string; role: Role; token_id?: string };
  /** First segment of the organization's repository names. */
  namespace: string;
};

export type IdentityForRegistry = {
  /** The living holder of an API token, undefined for one that is unknown, expired or removed. */
  findTokenHolder(apiToken: string): Promise<TokenHolder | undefined>;
  /** A JWT of the installation's own key for an audience. */
  signToken(claims: Record<string, unknown>, options: { audience: string; lifetimeSeconds: number }): Promise<string>;
  /** The claims of a JWT that this installation signed for this audience and that is still alive. Throws otherwise. */
  verifyToken(jwt: string, options: { audience: string }): Promise<Record<string, unknown>>;
};
