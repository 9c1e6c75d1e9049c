// The organization that makes a change, and the name that is recorded for the change.

/** The fields of Principal in src/identity that the catalog needs. */
export type Principal = {
  organization_id: string;
  /** The name that is stored in created_by, updated_by and removed_by. */
  name: string;
};

/** The name that is recorded if no person acted. */
export const LARDER = 'Larder';
