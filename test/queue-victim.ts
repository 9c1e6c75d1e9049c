// A worker for the test that kills one: it takes a job, tells its parent, and never ends it.
import { type Handlers, openQueue } from '../src/db/queue-worker.ts';

const [url = ''] = process.argv.slice(2);
const never = (): Promise<void> => {
  process.send?.('taken');
  return new Promise(() => {});
};
const handlers: Handlers = {
  'plan-pipeline': never,
  'package-pipeline': never,
  'verify-pipeline': never,
  'distribute-pipeline': never,
  'build-base-image': never,
  'follow-base-image': never,
  'check-registry': never,
  'check-registries': never,
  'move-life-cycles': never,
  'discover-products': never,
  'sweep-content': never,
  'deliver-notification': never,
  'tend-notifications': never,
};
const queue = await openQueue({ url });
await queue.work(handlers, { concurrency: 1 });
