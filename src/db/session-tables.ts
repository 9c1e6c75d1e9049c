// The tables of log-ins: passwords, accounts at an identity provider, and sessions.
import type { Generated } from 'kysely';
import type { DefaultTime, OptionalTime, Time } from './columns.ts';

export type UserPasswordsTable = {
  user_id: string;
  organization_id: string;
  email: string;
  password_hash: string;
  created_at: DefaultTime;
  updated_at: DefaultTime;
};

export type SessionsTable = {
  id: Generated<string>;
  organization_id: string;
  user_id: string;
  secret_sha256: Buffer;
  created_at: DefaultTime;
  last_used_at: DefaultTime;
  expires_at: Time;
  ended_at: OptionalTime;
};

export type OidcAccountsTable = {
  issuer: string;
  subject: string;
  organization_id: string;
  user_id: string;
  created_at: DefaultTime;
  last_used_at: DefaultTime;
};

export type WayInWarningsTable = {
  id: Generated<string>;
  organization_id: string;
  ends_at: Time;
  days: number;
  created_at: DefaultTime;
  mailed_at: OptionalTime;
};

export type OidcReturnsTable = {
  id: string;
  expires_at: Time;
};
