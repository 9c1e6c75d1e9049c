// Handlers for tests of the queue. One handler is for all tasks of pipelines and base images. The others do nothing.
import type { Handlers, JobContext } from '../src/db/queue-worker.ts';

/** Calls `handle` with the id in the payload of each job. */
export function handlersWith(handle: (id: string, context: JobContext) => Promise<void>): Handlers {
  const pipeline: Handlers['plan-pipeline'] = (payload, context) => handle(payload.pipeline_id, context);
  const base: Handlers['build-base-image'] = (payload, context) => handle(payload.base_image_id, context);
  const none = async () => {};
  return {
    'plan-pipeline': pipeline,
    'package-pipeline': pipeline,
    'verify-pipeline': pipeline,
    'distribute-pipeline': pipeline,
    'build-base-image': base,
    'follow-base-image': base,
    'check-registry': none,
    'check-registries': none,
    'move-life-cycles': none,
    'discover-products': none,
    'sweep-content': none,
    'deliver-notification': none,
    'tend-notifications': none,
    'warn-of-ending-ways-in': none,
    'retire-signing-keys': none,
    'write-charts-index': none,
    'mail-way-in-warning': none,
  };
}
