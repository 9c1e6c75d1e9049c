// Functions of all entry points: for the environment, the log, errors in one line, and stopping.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Config, readConfig } from '../config/config.ts';
import { type BecomeOptions, giveUpRoot } from '../host/prepare.ts';
import { type Logger, openLog } from '../log.ts';
import type { ProcessMessage } from '../process/process-messages.ts';
import { beginLife, type Life } from '../process/stopping.ts';
import { describeFailure, explainFailure } from './failure.ts';

/**
 * How long the interrupted start of a single server or worker may take to end. It may be waiting for a database that does not
 * answer.
 */
const GIVE_UP_MS = 3_000;

/**
 * How long the interrupted start of the whole process tree may take to end. Its processes end first and then PostgreSQL, each
 * within its own time limit (src/process/supervise.ts).
 */
const SERVICE_GIVES_UP_MS = 20_000;

type Entrance = (config: Config, life: Life, log: Logger) => Promise<void>;

/**
 * Runs an entry point until it ends. If it throws, writes the error to standard error and exits with 1. A fault that a person
 * can fix is one line, and any other error has its stack.
 */
export async function enter(name: 'larder' | 'demo' | 'server' | 'worker', act: Entrance): Promise<void> {
  let life: Life | undefined;
  let config: Config | undefined;
  try {
    config = readConfig();
    const alone = name === 'server' || name === 'worker';
    life = beginLife({
      giveUpMs: alone ? GIVE_UP_MS : SERVICE_GIVES_UP_MS,
      hangUpStops: !(name === 'server' && config.tls),
    });
    await act(config, life, openLog({ level: config.logLevel, name }));
  } catch (error) {
    if (life?.stopping.aborted) await life.giveUp();
    const line = explainFailure(error, config);
    if (line === undefined) console.error(describeFailure(error));
    else await sayFailure(line);
    process.exit(1);
  }
}

/** A process with a supervisor sends the line to the supervisor, so that only one line is printed for all processes. */
async function sayFailure(line: string): Promise<void> {
  const message: ProcessMessage = { failed: line };
  const sent = await new Promise((resolve) => {
    if (!process.send?.(message, (error: Error | null) => resolve(error === null))) resolve(false);
  });
  if (sent !== true) console.error(`larder: ${line}`);
}

/** Writes a line of progress to standard error, because standard output is for answers and the log. */
export function say(line: string): void {
  console.error(line);
}

/**
 * Returns the options for `becomeAccount`: the files and folders that Larder's account must own, and the folders that the
 * account must be able to enter.
 */
export function whatToOwn(config: Config): Omit<BecomeOptions, 'say'> {
  const { data, contentDirectory: content, keyFile } = config;
  const work = join(data, 'work');
  const held = CONTENT_NAMES.map((name) => join(content, name));
  const keyFolder = dirname(keyFile);
  return {
    own: [data, content],
    handOver: [keyFile, work, ...held],
    enter: [dirname(dirname(import.meta.dirname)), ...(existsSync(keyFolder) ? [keyFolder] : [])],
  };
}

/** The names of files and folders in a content folder. */
const CONTENT_NAMES = ['installation', 'sha256', 'temporary', 'uploads'];

/**
 * If root starts a single server or worker, switches to Larder's account before anything is opened. If there is a supervisor,
 * it has already switched.
 */
export async function leaveRoot(name: 'server' | 'worker', config: Config): Promise<void> {
  const consent = config.ci || process.argv.includes('--yes');
  const prepare = { requirements: [], path: config.path, consent, command: `larder ${name}`, say };
  await giveUpRoot(prepare, { ...whatToOwn(config), say });
}
