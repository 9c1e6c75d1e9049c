// The groups of endpoints and their descriptions. An endpoint in an unknown group does not compile.

export const TAGS = {
  Authentication: 'Exchange of an API token for an access token, which every call needs.',
  Catalogs: 'Catalogs: the applications of an organization and everything built for them.',
  Offerings: 'Branches of products in a packaging type, which can be requested.',
  Applications: 'Offerings chosen in a catalog, with their base image and registries.',
  'Application requests': 'Requests to add applications to a catalog or to remove them.',
  'Base images': 'Images on which applications are built: shared ones and the organization’s own.',
  'Operating systems': 'Operating systems of base images.',
  Registries: 'Registries to which releases are pushed, and the credentials of the hosted registry.',
  Customizations: 'Archives that change images, each with a filter that says where it applies.',
  Pipelines: 'Attempts to make a release, with their phases.',
  Releases: 'Released artifacts: their inputs and locations.',
  'Main catalog': 'Everything that can be built: products, branches and versions.',
  'Quotas and subscriptions': 'Quotas and subscriptions of an organization.',
  Identity: 'Users, API tokens, sessions and organizations. An addition of Larder.',
  'Signing keys': 'Keys that sign the releases of an organization. An addition of Larder.',
  'Audit trail': 'Changes: who changed what, when, and from which address.',
  Notifications: 'Notification providers, and the deliveries of messages.',
} as const satisfies Record<string, string>;

export type Tag = keyof typeof TAGS;
