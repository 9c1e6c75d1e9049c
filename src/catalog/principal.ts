// The actor of a change: an organization, and a name for the records.

/** Compatible with Principal of src/identity. */
export type Principal = {
  organization_id: string;
  /** Written into created_by, updated_by and removed_by. */
  name: string;
};

/** The recorded name if no person acted. */
export const LARDER = 'Larder';
