// Offerings: product branches in a packaging type that may be requested.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { CommaList, Id, Match, Text, Time, Word } from './field.ts';
import { BRANCH_LENGTH_MAX } from './limits.ts';
import { Links } from './link.ts';
import { OperatingSystem } from './operating-system.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';
import { ProductInfo } from './product.ts';
import { OFFERING_STATUSES, PACKAGING_TYPES } from './vocabulary.ts';

export const ApplicationOffering = Type.Object(
  {
    id: Id('Identifier of the offering.'),
    product: ProductInfo,
    packaging_type: Word(PACKAGING_TYPES, 'Packaging type.'),
    branch: Text('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX }),
    status: Word(OFFERING_STATUSES, 'Whether it can be requested.'),
    operating_systems: Type.Array(OperatingSystem),
    end_of_life_at: Type.Optional(Time('When upstream ends its support, at midnight.')),
    _links: Type.Object({ operating_systems: Links }),
  },
  { title: 'ApplicationOffering' },
);
export type ApplicationOffering = Static<typeof ApplicationOffering>;

export const ApplicationOfferingPage = PageOf(ApplicationOffering, 'ApplicationOfferingPage');
export type ApplicationOfferingPage = Static<typeof ApplicationOfferingPage>;

const listOfferings = defineEndpoint({
  method: 'GET',
  path: '/v1/applications-offering',
  summary: 'List offerings',
  description:
    'Lists the branches of products that the package archives of the operating systems contain. Hidden ones are listed only if `statuses` names their status.',
  tag: 'Offerings',
  access: READERS,
  query: Type.Object({
    catalog_id: Type.Optional(Id('Only offerings of this catalog.')),
    operating_system_id: Type.Optional(Id('Only offerings for this operating system.')),
    operating_system_name: Type.Optional(Match('Only offerings for the operating system of this name.')),
    packaging_types: Type.Optional(
      CommaList(Word(PACKAGING_TYPES, 'A packaging type.'), 'Only offerings in these packaging types.'),
    ),
    statuses: Type.Optional(CommaList(Word(OFFERING_STATUSES, 'A status.'), 'Only those with these statuses.')),
    product_name: Type.Optional(Match('Only products whose name contains this.')),
    product_key: Type.Optional(Match('Only the product with this key.')),
    branch: Type.Optional(Match('Only this branch.', { maxLength: BRANCH_LENGTH_MAX })),
    ...orderQuery(['PRODUCT_NAME', 'PRODUCT_KEY', 'STATUS', 'BRANCH', 'PACKAGING_TYPE'], 'ASC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of offerings.', body: ApplicationOfferingPage },
  problems: [400],
});

const getOffering = defineEndpoint({
  method: 'GET',
  path: '/v1/applications-offering/{offering_id}',
  summary: 'Get an offering',
  description: 'Returns one offering, with the operating systems on which it can be built.',
  tag: 'Offerings',
  access: READERS,
  params: Type.Object({ offering_id: Id('Identifier of the offering.') }),
  success: { status: 200, description: 'The offering.', body: ApplicationOffering },
  problems: [400, 404],
});

export const offeringEndpoints = { listOfferings, getOffering };
