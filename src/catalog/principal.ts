// Who acts, as far as the catalog cares: an organization, and a name for the record.

/** A Principal of src/identity fits. */
export type Principal = {
  organization_id: string;
  /** Written into created_by, updated_by and removed_by. */
  name: string;
};

/** The name in the record where no person acted. */
export const LARDER = 'Larder';
