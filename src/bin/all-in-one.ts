// `npm start`: starts everything on one machine. Prepares the machine first and, if run by root, switches to Larder's account.
import { becomeAccount, prepareHost } from '../host/prepare.ts';
import { RUN_REQUIREMENTS } from '../host/requirements.ts';
import { startService } from '../process/supervise.ts';
import { StartError } from '../start-error.ts';
import { enter, say, whatToOwn } from './entrance.ts';

/** Whether this file was started by `larder start` and not by `npm start`. */
const isCommand = /\/(cli\.[jt]s|larder)$/.test(process.argv[1] ?? '');

await enter('larder', async (config, life) => {
  const consent = config.ci || process.argv.includes('--yes');
  const command = isCommand ? 'larder start' : 'npm start';
  await prepareHost({ requirements: RUN_REQUIREMENTS, path: config.path, consent, command, say });
  becomeAccount({ ...whatToOwn(config), say });
  const service = await startService({ config, say, ...life });
  life.onStop(service.stop);
  say(`Larder is ready at ${service.url}`);
  const reason = await service.lost;
  await service.stop();
  throw new StartError('PART', reason);
});
