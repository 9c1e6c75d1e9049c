// The API, the files and the hosted registry as one process, against LARDER_DATABASE_URL.
import { startServer } from '../serve.ts';
import { enter, stopOnSignal } from './entrance.ts';

await enter('server', async (config, log) => {
  const server = await startServer(config, log, (token) => console.log(`API token: ${token}`));
  stopOnSignal(server.stop);
  if (await server.ready) process.send?.(server.url);
});
