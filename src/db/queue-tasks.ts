// The kinds of job and their payloads that the control plane can enqueue. `src/jobs/tasks.ts` satisfies this table.
export type TaskPayloads = {
  /** Reads the product library, discovers versions with every resolver, and writes both as rows. */
  'discover-products': Record<string, never>;
  /** Builds one of Larder's own base images from the package archive, if its inputs changed. */
  'build-base-image': { base_image_id: string };
  /** Resolves a registered base image's tag to a digest and stores its content. If a user requested it, a rejected digest is read again. */
  'follow-base-image': { base_image_id: string; requested?: true };
  'plan-pipeline': { pipeline_id: string };
  'package-pipeline': { pipeline_id: string };
  'verify-pipeline': { pipeline_id: string };
  'distribute-pipeline': { pipeline_id: string };
  /** Updates offerings and applications to the current life cycle of their branches. */
  'move-life-cycles': Record<string, never>;
  /** Checks one registry on request, or after its credentials changed. */
  'check-registry': { registry_id: string };
  /** Checks the registries and base images that are due. */
  'check-registries': Record<string, never>;
  /** Sends one message to one notification provider. */
  'deliver-notification': { delivery_id: string };
  /** Sends the month's new offerings, and deletes old deliveries. */
  'tend-notifications': Record<string, never>;
  /** Finds organizations whose owners soon cannot log in, logs them, and enqueues their mail. */
  'warn-of-ending-ways-in': Record<string, never>;
  /** Mails the owners of one of these organizations. */
  'mail-way-in-warning': { warning_id: string };
  /** Deletes content that no row uses and that was not touched for a day. */
  'sweep-content': Record<string, never>;
};

export type Task = keyof TaskPayloads;

/**
 * Tasks that are scheduled (cron, UTC) rather than enqueued. Uneven minutes, so that installations do not all query the archive
 * at once.
 */
export const SCHEDULES: Partial<Record<Task, string>> = {
  'discover-products': '41 */6 * * *',
  'sweep-content': '17 * * * *',
  // Days begin at midnight UTC.
  'move-life-cycles': '1 0 * * *',
  'check-registries': '*/5 * * * *',
  'tend-notifications': '23 7 * * *',
  'warn-of-ending-ways-in': '37 6 * * *',
};

/**
 * Tasks that wait for servers which organizations name, perhaps for hours. They have their own slots in a worker
 * (src/db/queue-slots.ts).
 */
export const OUTSIDE_TASKS: ReadonlySet<Task> = new Set([
  'follow-base-image',
  'check-registry',
  'check-registries',
  'distribute-pipeline',
  'deliver-notification',
  'mail-way-in-warning',
]);
