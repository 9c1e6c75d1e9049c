// What the entrances share: the environment and a log, errors said in one line, and one way to stop.
import { dirname } from 'node:path';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { type Logger, openLog } from '../log.ts';
import { beginLife, type Life } from './stopping.ts';

/** A server or a worker alone: a database that does not answer is not waited for any longer. */
const GIVE_UP_MS = 3_000;

/** The tree: its processes end, then PostgreSQL, each within its own time (src/supervise.ts). */
const HOUSE_GIVES_UP_MS = 20_000;

type Entrance = (config: Config, life: Life, log: Logger) => Promise<void>;

/** Runs an entrance. What a person can mend is one line on standard error and exit code 1; anything else is thrown with its stack. */
export async function enter(name: 'larder' | 'demo' | 'server' | 'worker', act: Entrance): Promise<void> {
  let life: Life | undefined;
  try {
    const config = readConfig();
    const alone = name === 'server' || name === 'worker';
    life = beginLife({
      giveUpMs: alone ? GIVE_UP_MS : HOUSE_GIVES_UP_MS,
      hangUpStops: !(name === 'server' && config.tls),
    });
    await act(config, life, openLog({ level: config.logLevel, name }));
  } catch (error) {
    if (life?.stopping.aborted) life.giveUp();
    if (!(error instanceof Error) || !('code' in error || error instanceof ConfigError)) throw error;
    console.error(`larder: ${error.message}`);
    process.exit(1);
  }
}

/** Progress goes to standard error: standard output is for answers and the log. */
export function say(line: string): void {
  console.error(line);
}

/** The folders that must be Larder's own, and those that it must reach, for `becomeAccount`. */
export function whatToOwn(config: Config): { own: string[]; enter: string[] } {
  return { own: [config.data, config.contentDirectory], enter: [dirname(dirname(import.meta.dirname))] };
}
