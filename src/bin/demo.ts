// `npm run demo`: starts Larder and runs the main job through its API. Larder then runs until Ctrl-C or, with `--exit`, stops
// at once.
import { showMainJob } from '../demo/demo.ts';
import { keepToken } from '../demo/kept-token.ts';
import { becomeAccount, prepareHost } from '../host/prepare.ts';
import { findProgram, RUN_REQUIREMENTS } from '../host/requirements.ts';
import { startService } from '../process/supervise.ts';
import { StartError } from '../start-error.ts';
import { enter, say, whatToOwn } from './entrance.ts';

await enter('demo', async (config, life) => {
  const consent = config.ci || process.argv.includes('--yes');
  await prepareHost({ requirements: RUN_REQUIREMENTS, path: config.path, consent, command: 'npm run demo', say });
  becomeAccount({ ...whatToOwn(config), say });
  say('Starting Larder');
  const onApiToken = (token: string) => keepToken(config.data, token);
  const service = await startService({ config: { ...config, logLevel: 'warn' }, say, onApiToken, ...life });
  life.onStop(service.stop);
  say(`Larder is ready at ${service.url}`);
  const lost = service.lost.then((reason) => Promise.reject(new StartError('PART', reason)));
  const exit = process.argv.includes('--exit');
  const find = (program: string) => findProgram(program, config.path);
  try {
    const demo = showMainJob({ config, url: service.url, find, say: console.log, stopped: exit });
    const lines = await Promise.race([demo, lost]);
    if (exit) await service.stop();
    for (const line of lines) console.log(line);
    if (!exit) await lost;
    process.exit(0);
  } catch (error) {
    await service.stop();
    throw error;
  }
});
