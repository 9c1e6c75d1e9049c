// The groups of endpoints, each with what it is about: one that is not described here does not compile.

export const TAGS = {
  Authentication: 'From an API token to the access token that every call carries.',
  Catalogs: 'What an organization has chosen and everything that was built for it.',
  Offerings: 'Branches of products in a packaging type: what may be requested.',
  Applications: 'Offerings chosen in a catalog, with their base image and registries.',
  'Application requests': 'Add applications to a catalog or remove them.',
  'Base images': 'What applications are built on: shared ones and the organization’s own.',
  'Operating systems': 'What base images are made of.',
  Registries: 'Where releases are pushed, and the credentials of the hosted one.',
  Customizations: 'Archives that change what is built, and where each of them applies.',
  Pipelines: 'Each attempt to make a release, phase by phase.',
  Releases: 'What was built, from what, and where it is.',
  'Main catalog': 'Everything that can be built: products, branches and versions.',
  'Quotas and subscriptions': 'How much an organization may have, and on what terms.',
  Identity: 'Who may come in, as what, and with which tokens. An addition of Larder.',
  'Audit trail': 'Who changed what, when, and from where.',
  Notifications: 'Who is told of what, and how each message fared.',
} as const satisfies Record<string, string>;

export type Tag = keyof typeof TAGS;
