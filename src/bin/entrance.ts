// What the entrances share: the environment and a log, errors said in one line, and one way to stop.
import { dirname } from 'node:path';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { type Logger, openLog } from '../log.ts';

/** Runs an entrance. What a person can mend is one line on standard error and exit code 1; anything else is thrown with its stack. */
export async function enter(name: string, act: (config: Config, log: Logger) => Promise<void>): Promise<void> {
  try {
    const config = readConfig();
    await act(config, openLog({ level: config.logLevel, name }));
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error || error instanceof ConfigError)) throw error;
    console.error(`larder: ${error.message}`);
    process.exit(1);
  }
}

/** Calls `stop` once for Ctrl-C, SIGTERM, or a parent that is gone, and ends the process when it is done. */
export function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false;
  const once = () => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', once).on('SIGINT', once).on('disconnect', once);
}

/** Progress goes to standard error: standard output is for answers and the log. */
export function say(line: string): void {
  console.error(line);
}

/** The folders that must be Larder's own, and those that it must reach, for `becomeAccount`. */
export function whatToOwn(config: Config): { own: string[]; enter: string[] } {
  return { own: [config.data, config.contentDirectory], enter: [dirname(dirname(import.meta.dirname))] };
}
