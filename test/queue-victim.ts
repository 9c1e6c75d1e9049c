// A worker for tests that kill a worker. It takes jobs, sends their ids to its parent, and never ends the jobs.
import { openQueue } from '../src/db/queue-worker.ts';
import { handlersWith } from './queue-handlers.ts';

const [url = '', concurrency = '1'] = process.argv.slice(2);
const handlers = handlersWith((id) => {
  process.send?.(id);
  return new Promise(() => {});
});
const queue = await openQueue({ url });
await queue.work(handlers, { concurrency: Number(concurrency) });
