// The API, the files and the hosted registry as one process, against LARDER_DATABASE_URL.
import { startServer } from '../serve.ts';
import type { ProcessMessage } from '../supervise.ts';
import { enter } from './entrance.ts';

await enter('server', async (config, life, log) => {
  const server = await startServer(config, log, (api_token) => {
    console.log(`API token: ${api_token}`);
    process.send?.({ api_token } satisfies ProcessMessage);
  });
  life.onStop(server.stop);
  if (await server.ready) process.send?.({ ready: server.url } satisfies ProcessMessage);
});
