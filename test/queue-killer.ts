// A worker for the test of jobs that kill their worker. The job «killer» kills the process, and other jobs take some time.
import { setTimeout as delay } from 'node:timers/promises';
import { openQueue } from '../src/db/queue-worker.ts';
import { handlersWith } from './queue-handlers.ts';

/** The duration of a job. It is long enough that jobs which are taken together run at the same time. */
const WORK_MS = 300;

const [url = ''] = process.argv.slice(2);
const queue = await openQueue({ url });
const handlers = handlersWith(async (id) => {
  if (id === 'killer') process.kill(process.pid, 'SIGKILL');
  await delay(WORK_MS);
});
process.on('SIGTERM', () => queue.stop({ finishMs: 0 }).then(() => process.exit(0)));
await queue.work(handlers, { concurrency: 4 });
process.send?.({ ready: 'working' });
