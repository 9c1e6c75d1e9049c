// `npm start`: everything on one machine with one command; prepares the machine first, and gives up root.
import { becomeAccount, prepareHost } from '../host/prepare.ts';
import { RUN_REQUIREMENTS } from '../host/requirements.ts';
import { startHouse } from '../supervise.ts';
import { enter, say, whatToOwn } from './entrance.ts';

await enter('larder', async (config, life) => {
  const consent = config.ci || process.argv.includes('--yes');
  await prepareHost({ requirements: RUN_REQUIREMENTS, path: config.path, consent, say });
  becomeAccount({ ...whatToOwn(config), say });
  const house = await startHouse({ config, say, ...life });
  life.onStop(house.stop);
  say(`Larder is ready at ${house.url}`);
  const reason = await house.lost;
  say(`larder: ${reason}`);
  await house.stop();
  process.exit(1);
});
