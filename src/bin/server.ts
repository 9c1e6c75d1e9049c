// Runs one process with the API, the files and the hosted registry. Uses the database at LARDER_DATABASE_URL.
import type { ProcessMessage, SupervisorMessage } from '../process/process-messages.ts';
import { startServer } from '../process/serve.ts';
import { enter, leaveRoot } from './entrance.ts';

await enter('server', async (config, life, log) => {
  await leaveRoot('server', config);
  const server = await startServer(config, log, (api_token, file) => {
    console.log(file === undefined ? `API token: ${api_token}` : `The first API token is in ${file}.`);
    process.send?.({ api_token } satisfies ProcessMessage);
  });
  life.onStop(server.stop);
  process.on('message', ({ worker }: SupervisorMessage) => server.noteWorker(worker));
  if (await server.ready) process.send?.({ ready: server.url } satisfies ProcessMessage);
});
