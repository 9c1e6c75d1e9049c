// What an entrance says when it fails: one line for what a person can mend, and all that is known about anything else.
import { dirname } from 'node:path';
import { inspect } from 'node:util';
import { ProblemError, UnexpectedAnswerError, UnreachableError } from '../client/problem-error.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { DemoFailed } from '../demo/demo-failed.ts';
import { HostError } from '../host/prepare.ts';
import { hideInText } from '../log.ts';
import { StartError } from '../start-error.ts';

/** Errors whose message was written for who starts Larder. */
const EXPECTED = [
  ConfigError,
  StartError,
  HostError,
  DemoFailed,
  ProblemError,
  UnreachableError,
  UnexpectedAnswerError,
];

/** Why a folder cannot be used, by the system's code (errno(3)). */
const FOLDER_FAULTS: Record<string, string> = {
  EACCES: 'this account may not use it',
  EPERM: 'this account may not change it',
  EROFS: 'it cannot be written to',
  ENOSPC: 'the disk is full',
  EDQUOT: 'this account may not use more of the disk',
  ENOTDIR: 'it is not a folder',
  EEXIST: 'it is not a folder',
  ENOENT: 'it cannot be made there',
};

/** Causes within causes: more than any chain of ours. */
const CAUSES_MAX = 8;

/** The line for an expected failure; undefined for one that nobody thought of. `config` is absent when that is what failed. */
export function explainFailure(error: unknown, config?: Config): string | undefined {
  if (EXPECTED.some((one) => error instanceof one)) return (error as Error).message;
  return config && explainFolder(error, config);
}

/** Everything about an error, with its stack, its causes and its parts, and without secrets. */
export function describeFailure(error: unknown): string {
  return hideInText(inspect(error, { depth: CAUSES_MAX }));
}

/** Only folders that settings name: a file of our own that is missing is a fault of ours. */
function explainFolder(error: unknown, config: Config): string | undefined {
  const { code = '', path } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  const fault = FOLDER_FAULTS[code];
  if (fault === undefined || path === undefined) return undefined;
  const settings: [string, string][] = [
    ['LARDER_DATA', config.data],
    ['LARDER_CONTENT', config.contentDirectory],
    ['LARDER_KEY_FILE', dirname(config.keyFile)],
  ];
  // The others stand in LARDER_DATA unless they are given: the deepest folder tells whose the path is.
  const [inside] = settings.filter(([, folder]) => isWithin(path, folder)).sort(([, a], [, b]) => b.length - a.length);
  const onTheWay = settings.find(([, folder]) => isWithin(folder, path));
  const setting = (inside ?? onTheWay)?.[0];
  if (setting === undefined) return undefined;
  return `${path} cannot be used: ${fault} (${code}). Mend that, or choose another ${setting}.`;
}

function isWithin(path: string, folder: string): boolean {
  return `${path}/`.startsWith(`${folder}/`);
}
