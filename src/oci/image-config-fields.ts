// The fields of an image config as schemas: allowed values, limits, and messages for invalid values.
import Type, { type TSchema } from 'typebox';
import { isDigest } from '../content/digest.ts';

/** Linux limits one argument or one variable to 128 KiB, including its final NUL (execve(2), MAX_ARG_STRLEN). */
const ARGUMENT_BYTES_MAX = 128 * 1024 - 1;
/**
 * The limit of all arguments together in bytes, and the same limit for all environment variables. Linux limits both together
 * to a quarter of the stack limit (execve(2)). A stack of 2 MiB allows 512 KiB, and each of the two gets half of this.
 */
const ARGUMENTS_BYTES_MAX = 256 * 1024;
/** The most arguments, and the most environment variables. Generated environments have some hundreds of variables. */
const ARGUMENT_COUNT_MAX = 1000;
/** The limit of all labels together in bytes. Build tools store their records in labels, and some of these have 500 KB. */
const LABELS_BYTES_MAX = 1024 * 1024;
/**
 * The most ports, the most volumes, and the most labels. Usual images have fewer than ten, and generated images have some
 * hundreds.
 */
const KEY_COUNT_MAX = 1000;
/** The longest path in bytes. Linux allows no longer path (PATH_MAX). */
const PATH_BYTES_MAX = 4096;
/** The longest name of a user, a platform or a signal, in bytes. Usual names have at most 32 bytes. */
const WORD_BYTES_MAX = 256;
/** The most layers of an image. Docker cannot run an image with more than about 125 layers. */
export const LAYER_COUNT_MAX = 127;
/** The most history entries. Steps without a layer count too. The longest Dockerfiles have some hundreds of steps. */
const HISTORY_COUNT_MAX = 1000;

type Rule<Value> = readonly [holds: (value: Value) => boolean, wrong: string | ((value: Value) => string)];

/** Returns the schema with additional rules. The rules apply only to values of the schema's type. */
function ruled<Value>(schema: TSchema, is: (value: unknown) => value is Value, rules: Rule<Value>[]): TSchema {
  return rules.reduce<TSchema>(
    (ruledSchema, [holds, wrong]) =>
      Type.Refine(
        ruledSchema,
        (value: unknown) => !is(value) || holds(value),
        (value: unknown) => (typeof wrong === 'string' ? wrong : wrong(value as Value)),
      ),
    schema,
  );
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isList = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const TEXT_RULES: Rule<string>[] = [
  [(text) => !text.includes('\0'), 'holds a NUL character'],
  [(text) => text.isWellFormed(), 'holds a character that is not valid Unicode'],
];

/** Returns the schema of a text without NUL and without invalid Unicode. */
function text(bytesMax: number, rules: Rule<string>[] = []): TSchema {
  const size: Rule<string> = [(value) => bytesOf(value) <= bytesMax, `is longer than ${bytesMax} bytes`];
  return ruled(Type.String(), isText, [size, ...TEXT_RULES, ...rules]);
}

function bytesOf(value: string): number {
  return Buffer.byteLength(value);
}

function list(item: TSchema, countMax: number, rules: Rule<string[]>[] = []): TSchema {
  return ruled(Type.Array(item, { maxItems: countMax }), isList, rules);
}

function totalOf(texts: readonly string[]): number {
  return texts.reduce((sum, one) => sum + bytesOf(one), 0);
}

/** Returns the schema of an object with arbitrary keys. Each key must satisfy `nameRules`. */
function record(value: TSchema, nameRules: Rule<string>[], rules: Rule<Record<string, unknown>>[] = []): TSchema {
  const perName = [...TEXT_RULES, ...nameRules].map(
    ([holds, wrong]): Rule<Record<string, unknown>> => [
      (found) => Object.keys(found).every(holds),
      (found) => {
        const name = Object.keys(found).find((one) => !holds(one)) ?? '';
        return `the name ${JSON.stringify(name.slice(0, 100))} ${typeof wrong === 'string' ? wrong : wrong(name)}`;
      },
    ],
  );
  return ruled({ type: 'object', additionalProperties: value }, isRecord, [
    [(found) => Object.keys(found).length <= KEY_COUNT_MAX, `has more than ${KEY_COUNT_MAX} names`],
    [(found) => !Object.hasOwn(found, '__proto__'), 'the name __proto__ is rejected'],
    ...perName,
    ...rules,
  ]);
}

/**
 * Control characters, line separators, and characters that change the direction of writing. They are rejected, because with
 * them a name can look like another name.
 */
const CONTROL = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const nameOf = (line: string): string => line.split('=', 1)[0] ?? '';

/**
 * Linux allows every name without `=`. A leading dash is rejected too, because programs like env(1) would read the name as an
 * option.
 */
const ENVIRONMENT_RULES: Rule<string>[] = [
  [(line) => nameOf(line) !== '', 'the name is empty'],
  [(line) => !CONTROL.test(nameOf(line)), 'the name holds a control character'],
  [(line) => !nameOf(line).startsWith('-'), 'the name begins with a dash'],
  [(line) => nameOf(line) !== '__proto__', 'the name __proto__ is rejected'],
];

const tooLong: Rule<string[]> = [
  (found) => totalOf(found) <= ARGUMENTS_BYTES_MAX,
  `has more than ${ARGUMENTS_BYTES_MAX} bytes in total`,
];

const COMMAND = list(text(ARGUMENT_BYTES_MAX), ARGUMENT_COUNT_MAX, [tooLong]);
const ENVIRONMENT = list(text(ARGUMENT_BYTES_MAX, ENVIRONMENT_RULES), ARGUMENT_COUNT_MAX, [tooLong]);

const USER = text(2 * WORD_BYTES_MAX, [
  [
    (user) => /^(?!-)[^\s:\p{Cc}]*(?::(?!-)[^\s:\p{Cc}]*)?$/u.test(user),
    'is not user[:group], each a name or a number',
  ],
]);

const isPath = (found: string): boolean => found.startsWith('/') && !CONTROL.test(found);
const DIRECTORY = text(PATH_BYTES_MAX, [[(found) => found === '' || isPath(found), 'is not an absolute path']]);
const VOLUMES = record(Type.Object({}), [
  [isPath, 'is not an absolute path'],
  [(found) => bytesOf(found) <= PATH_BYTES_MAX, `is longer than ${PATH_BYTES_MAX} bytes`],
]);
const PORTS = record(Type.Object({}), [
  [(port) => /^[0-9]{1,5}(?:-[0-9]{1,5})?(?:\/[a-z]{1,8})?$/i.test(port), 'is not a port such as 80/tcp'],
]);

const sizeOfLabels = (labels: Record<string, unknown>): number =>
  totalOf(Object.entries(labels).flatMap(([name, value]) => (isText(value) ? [name, value] : [name])));
const LABELS = record(
  text(LABELS_BYTES_MAX),
  [[(name) => !CONTROL.test(name), 'holds a control character']],
  [[(labels) => sizeOfLabels(labels) <= LABELS_BYTES_MAX, `has more than ${LABELS_BYTES_MAX} bytes in total`]],
);

const WORD = text(WORD_BYTES_MAX, [[(word) => !CONTROL.test(word), 'holds a control character']]);
const SIGNAL = text(WORD_BYTES_MAX, [
  [(signal) => /^[A-Z0-9+-]*$/i.test(signal), 'is not the name or number of a signal'],
]);
const TIME = text(WORD_BYTES_MAX, [
  [
    (time) => time === '' || (/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d/.test(time) && !Number.isNaN(Date.parse(time))),
    'is not a time such as 2026-01-31T12:00:00Z',
  ],
]);
const NANOSECONDS = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const DIGEST = text(WORD_BYTES_MAX, [[isDigest, 'is not a sha256 digest']]);

const optional = <Schema extends TSchema>(schema: Schema) => Type.Optional(schema);

/** The settings of a container. OCI defines some of these fields, and Docker adds the others. */
const SETTINGS = Type.Object({
  User: optional(USER),
  ExposedPorts: optional(PORTS),
  Env: optional(ENVIRONMENT),
  Entrypoint: optional(COMMAND),
  Cmd: optional(COMMAND),
  Volumes: optional(VOLUMES),
  WorkingDir: optional(DIRECTORY),
  Labels: optional(LABELS),
  StopSignal: optional(SIGNAL),
  Healthcheck: optional(
    Type.Object({
      Test: optional(COMMAND),
      Interval: optional(NANOSECONDS),
      Timeout: optional(NANOSECONDS),
      StartPeriod: optional(NANOSECONDS),
      StartInterval: optional(NANOSECONDS),
      Retries: optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    }),
  ),
});

/** One step of the history. It may contain the text of a whole script. */
const STEP = text(ARGUMENT_BYTES_MAX);

const HISTORY = Type.Array(
  Type.Object({
    created: optional(TIME),
    created_by: optional(STEP),
    author: optional(STEP),
    comment: optional(STEP),
    empty_layer: optional(Type.Boolean()),
  }),
  { maxItems: HISTORY_COUNT_MAX },
);

/** The schema of a whole image config. */
export const IMAGE_CONFIG = Type.Object({
  created: optional(TIME),
  author: optional(STEP),
  architecture: optional(WORD),
  os: optional(WORD),
  variant: optional(WORD),
  config: optional(SETTINGS),
  rootfs: Type.Object({ type: Type.Literal('layers'), diff_ids: list(DIGEST, LAYER_COUNT_MAX) }),
  history: optional(HISTORY),
});
