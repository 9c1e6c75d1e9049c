// `npm run demo`: starts Larder, runs the main job through its API, and leaves it up until Ctrl-C (`--exit`: stops it).
import { openClient } from '../client/client.ts';
import { keepToken, readKeptToken } from '../demo/kept-token.ts';
import { runMainJob } from '../demo/main-job.ts';
import { becomeAccount, prepareHost } from '../host/prepare.ts';
import { RUN_REQUIREMENTS } from '../host/requirements.ts';
import { startHouse } from '../supervise.ts';
import { enter, say, whatToOwn } from './entrance.ts';

await enter('demo', async (config, life) => {
  const consent = config.ci || process.argv.includes('--yes');
  await prepareHost({ requirements: RUN_REQUIREMENTS, path: config.path, consent, say });
  becomeAccount({ ...whatToOwn(config), say });
  const quiet = { ...config, logLevel: 'warn' as const };
  const house = await startHouse({
    config: quiet,
    say,
    onApiToken: (token) => keepToken(config.data, token),
    ...life,
  });
  life.onStop(house.stop);
  say(`Larder is ready at ${house.url}`);
  try {
    const apiToken = await readKeptToken(config.data);
    await runMainJob({ client: openClient({ url: house.url, apiToken }), say: (line) => console.log(line) });
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    await house.stop();
    process.exit(1);
  }
  console.log(
    `\nLarder stays up at ${house.url} until Ctrl-C. Pull an image with any client; the password is the API token:`,
  );
  console.log(`  podman login --tls-verify=false ${new URL(house.url).host} --username larder`);
  console.log('  npm run larder -- releases      (with LARDER_TOKEN set; --help tells the rest)');
  if (!process.argv.includes('--exit')) return;
  await house.stop();
  process.exit(0);
});
