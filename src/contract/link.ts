// Links between resources, in the format of the Hypertext Application Language (HAL). They are paths that begin with /v1.
import { type Static, Type } from 'typebox';

export const Link = Type.Object(
  { href: Type.String({ description: 'Path of the resource, relative to this host.' }) },
  { title: 'Link' },
);
export type Link = Static<typeof Link>;

export const Links = Type.Array(Link);
export type Links = Static<typeof Links>;
