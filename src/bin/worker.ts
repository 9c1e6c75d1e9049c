// Runs one worker process. Uses the database at LARDER_DATABASE_URL.
import { prepareControlGroups } from '../host/control-groups.ts';
import type { ProcessMessage } from '../process/process-messages.ts';
import { startWorker } from '../process/work.ts';
import { enter, leaveRoot } from './entrance.ts';

await enter('worker', async (config, life, log) => {
  await leaveRoot('worker', config);
  prepareControlGroups();
  const worker = await startWorker(config, log);
  life.onStop(worker.stop);
  process.send?.({ ready: 'working' } satisfies ProcessMessage);
});
