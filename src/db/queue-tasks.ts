// The kinds of job and their payloads: what the control plane may enqueue. `src/jobs/tasks.ts` satisfies this table.
export type TaskPayloads = {
  /** Reads the product library, lets every resolver discover versions, and turns both into rows. */
  'discover-products': Record<string, never>;
  /** Builds a base image of ours from the package archive, when its inputs moved. */
  'build-base-image': { base_image_id: string };
  /** Resolves a registered base image's tag to a digest and holds its content. If a user requested it, a rejected digest is read again. */
  'follow-base-image': { base_image_id: string; requested?: true };
  'plan-pipeline': { pipeline_id: string };
  'package-pipeline': { pipeline_id: string };
  'verify-pipeline': { pipeline_id: string };
  'distribute-pipeline': { pipeline_id: string };
  /** Moves offerings and applications to where their branches stand today. */
  'move-life-cycles': Record<string, never>;
  /** Looks at one registry that somebody asked about, or whose credentials are new. */
  'check-registry': { registry_id: string };
  /** Looks at the registries and base images that are due. */
  'check-registries': Record<string, never>;
  /** Sends one message to one notification provider. */
  'deliver-notification': { delivery_id: string };
  /** Tells of the month's new offerings, and forgets old deliveries. */
  'tend-notifications': Record<string, never>;
  /** Looks for organizations whose owners soon cannot log in, logs them, and enqueues their mail. */
  'warn-of-ending-ways-in': Record<string, never>;
  /** Mails the owners of one of them. */
  'mail-way-in-warning': { warning_id: string };
  /** Drops content that no row uses and nobody touched for a day. */
  'sweep-content': Record<string, never>;
};

export type Task = keyof TaskPayloads;

/** Tasks that are scheduled (cron, UTC) rather than enqueued. Odd minutes, so that installations do not all ask the archive at once. */
export const SCHEDULES: Partial<Record<Task, string>> = {
  'discover-products': '41 */6 * * *',
  'sweep-content': '17 * * * *',
  // Days begin at midnight UTC.
  'move-life-cycles': '1 0 * * *',
  'check-registries': '*/5 * * * *',
  'tend-notifications': '23 7 * * *',
  'warn-of-ending-ways-in': '37 6 * * *',
};

/** Tasks that wait for servers which organizations name, perhaps for hours. They have slots of their own in a worker (src/db/queue-slots.ts). */
export const OUTSIDE_TASKS: ReadonlySet<Task> = new Set([
  'follow-base-image',
  'check-registry',
  'check-registries',
  'distribute-pipeline',
  'deliver-notification',
  'mail-way-in-warning',
]);
