// Links between things, as the Hypertext Application Language writes them: host-relative, beginning with /v1.
import { type Static, Type } from 'typebox';

export const Link = Type.Object(
  { href: Type.String({ description: 'Path of the thing, relative to this host.' }) },
  { title: 'Link' },
);
export type Link = Static<typeof Link>;

export const Links = Type.Array(Link);
export type Links = Static<typeof Links>;
