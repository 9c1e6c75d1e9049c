// The kinds of jobs and their payloads. `src/jobs/tasks.ts` has the function of each kind.
export type TaskPayloads = {
  /** Reads the product library, finds the newest versions with every resolver, and stores both. */
  'discover-products': Record<string, never>;
  /**
   * Builds one of Larder's own base images from the package archive, if a package or the declaration of the base image has
   * changed.
   */
  'build-base-image': { base_image_id: string };
  /**
   * Resolves the tag of a registered base image to a digest, and stores the image's content. If a user requested the job, a
   * digest that was rejected before is checked again.
   */
  'follow-base-image': { base_image_id: string; requested?: true };
  'plan-pipeline': { pipeline_id: string };
  'package-pipeline': { pipeline_id: string };
  'verify-pipeline': { pipeline_id: string };
  'distribute-pipeline': { pipeline_id: string };
  /** Sets offerings and applications to the current status of their branch. */
  'move-life-cycles': Record<string, never>;
  /** Checks one registry, because a user requested it or the registry's credentials changed. */
  'check-registry': { registry_id: string };
  /** Checks all registries and base images that are due. */
  'check-registries': Record<string, never>;
  /** Sends one message to one notification provider. */
  'deliver-notification': { delivery_id: string };
  /** Once a month, notifies organizations of new offerings. Also deletes old deliveries. */
  'tend-notifications': Record<string, never>;
  /** Finds organizations whose owners soon cannot log in. Logs these organizations, and enqueues a mail to their owners. */
  'warn-of-ending-ways-in': Record<string, never>;
  /** Mails one warning to the owners of an organization who soon cannot log in. */
  'mail-way-in-warning': { warning_id: string };
  /** Deletes the private keys of signing keys whose overlap has ended. */
  'retire-signing-keys': Record<string, never>;
  /** Writes the index of the charts in a registry, if it changed. */
  'write-charts-index': { registry_id: string };
  /** Deletes content that no row uses and that was not touched for a day. */
  'sweep-content': Record<string, never>;
};

export type Task = keyof TaskPayloads;

/**
 * When each scheduled task runs (cron, UTC). The minutes are uneven, so that not all installations query the package archive
 * at once.
 */
export const SCHEDULES: Partial<Record<Task, string>> = {
  'discover-products': '41 */6 * * *',
  'sweep-content': '17 * * * *',
  'retire-signing-keys': '29 * * * *',
  // Days begin at midnight UTC.
  'move-life-cycles': '1 0 * * *',
  'check-registries': '*/5 * * * *',
  'tend-notifications': '23 7 * * *',
  'warn-of-ending-ways-in': '37 6 * * *',
};

/**
 * Tasks that may wait for hours for servers that organizations have configured. They have their own slots in a worker
 * (src/db/queue-slots.ts).
 */
export const OUTSIDE_TASKS: ReadonlySet<Task> = new Set([
  'follow-base-image',
  'check-registry',
  'check-registries',
  'distribute-pipeline',
  'deliver-notification',
  'write-charts-index',
  'mail-way-in-warning',
]);
