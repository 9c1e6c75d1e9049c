// Who makes a change: an organization, and a name that is recorded.

/** Has the fields that the catalog needs of Principal in src/identity. */
export type Principal = {
  organization_id: string;
  /** The name that is stored in created_by, updated_by and removed_by. */
  name: string;
};

/** The name that is recorded if no person acted. */
export const LARDER = 'Larder';
