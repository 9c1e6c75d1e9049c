// The error text of an entry point. A fault that a person can fix is one line. Any other error has all details.
import { dirname } from 'node:path';
import { inspect } from 'node:util';
import { ProblemError, UnexpectedAnswerError, UnreachableError } from '../client/problem-error.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { DemoFailed } from '../demo/demo-failed.ts';
import { HostError } from '../host/prepare.ts';
import { hideInText } from '../log.ts';
import { StartError } from '../start-error.ts';

/** Errors whose message is written for the person who starts Larder. */
const EXPECTED = [
  ConfigError,
  StartError,
  HostError,
  DemoFailed,
  ProblemError,
  UnreachableError,
  UnexpectedAnswerError,
];

/** Why a folder cannot be used, by the system's error code (errno(3)). */
const FOLDER_FAULTS: Record<string, string> = {
  EACCES: 'this account has no access to it',
  EPERM: 'this account may not change it',
  EROFS: 'it is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'this account may not use more of the disk',
  ENOTDIR: 'it is not a folder',
  EEXIST: 'it is not a folder',
  ENOENT: 'it cannot be created there',
};

/** How many nested causes are shown. No error in Larder has a longer chain of causes. */
const CAUSES_MAX = 8;

/**
 * Returns the line for an expected failure, or undefined for any other error. `config` is absent if the configuration could
 * not be read.
 */
export function explainFailure(error: unknown, config?: Config): string | undefined {
  if (EXPECTED.some((one) => error instanceof one)) return (error as Error).message;
  return config && explainFolder(error, config);
}

/** Returns the text of an error without secrets, with its stack, its causes and the errors that it contains. */
export function describeFailure(error: unknown): string {
  return hideInText(inspect(error, { depth: CAUSES_MAX }));
}

/** Explains only faults of folders that settings name. If a file of the program is missing, this is a fault of Larder. */
function explainFolder(error: unknown, config: Config): string | undefined {
  const { code = '', path } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  const fault = FOLDER_FAULTS[code];
  if (fault === undefined || path === undefined) return undefined;
  const settings: [string, string][] = [
    ['LARDER_DATA', config.data],
    ['LARDER_CONTENT', config.contentDirectory],
    ['LARDER_KEY_FILE', dirname(config.keyFile)],
  ];
  // By default, the other folders are in LARDER_DATA. So several settings may contain the path, and the deepest folder
  // belongs to the right setting.
  const [inside] = settings.filter(([, folder]) => isWithin(path, folder)).sort(([, a], [, b]) => b.length - a.length);
  const onTheWay = settings.find(([, folder]) => isWithin(folder, path));
  const setting = (inside ?? onTheWay)?.[0];
  if (setting === undefined) return undefined;
  return `${path} cannot be used: ${fault} (${code}). Correct that, or choose another ${setting}.`;
}

function isWithin(path: string, folder: string): boolean {
  return `${path}/`.startsWith(`${folder}/`);
}
