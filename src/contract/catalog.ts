// Catalogs: the offerings that an organization has chosen and everything built for them.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { Id, OptionalFlag, Text, Time } from './field.ts';
import { Link } from './link.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';

export const Catalog = Type.Object(
  {
    id: Id('Identifier of the catalog.'),
    name: Text('Name of the catalog.'),
    created_at: Type.Optional(Time('When it was created.')),
    updated_at: Type.Optional(Time('When it last changed.')),
    removed_at: Type.Optional(Time('When it was removed.')),
    shared: Type.Boolean({ description: 'True if several organizations can see it.' }),
    owned: Type.Boolean({ description: 'True when it belongs to the caller’s organization.' }),
    _links: Type.Optional(Type.Object({ applications: Link, customizations: Link })),
  },
  { title: 'Catalog' },
);
export type Catalog = Static<typeof Catalog>;

export const CatalogsPage = PageOf(Catalog, 'CatalogsPage');
export type CatalogsPage = Static<typeof CatalogsPage>;

/** The path parameter of all endpoints below a catalog. */
export const catalogParams = { catalog_id: Id('Identifier of the catalog.') };

const listCatalogs = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs',
  summary: 'List catalogs',
  description: 'Lists the organization’s catalogs. Every organization starts with one.',
  tag: 'Catalogs',
  access: READERS,
  query: Type.Object({
    shared: OptionalFlag('true: only catalogs that several organizations can see; false: only the others.'),
    owned: OptionalFlag('Only catalogs of the caller’s organization, or only the others.'),
    ...orderQuery(['CREATED_AT', 'NAME', 'NAMESPACE', 'ORGANIZATION_NAME', 'UPDATED_AT'], 'DESC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of catalogs.', body: CatalogsPage },
  problems: [400],
});

const getCatalog = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}',
  summary: 'Get a catalog',
  description: 'Returns the catalog, with links to its parts.',
  tag: 'Catalogs',
  access: READERS,
  params: Type.Object(catalogParams),
  success: { status: 200, description: 'The catalog.', body: Catalog },
  problems: [400, 404],
});

export const catalogEndpoints = { listCatalogs, getCatalog };
