// A worker as one process, against LARDER_DATABASE_URL.
import type { ProcessMessage } from '../supervise.ts';
import { startWorker } from '../work.ts';
import { enter, stopOnSignal } from './entrance.ts';

await enter('worker', async (config, log) => {
  const worker = await startWorker(config, log);
  stopOnSignal(worker.stop);
  process.send?.({ ready: 'working' } satisfies ProcessMessage);
});
