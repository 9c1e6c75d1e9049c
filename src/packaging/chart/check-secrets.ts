// Finds secrets outside of objects of the kind Secret: texts in a ConfigMap that look like a secret, and values of rendered Secrets in any
// other object. Violations name the place and never repeat the value.
import { listOf, mapOf, type RenderedObject, type Violation, violation } from './rendered-objects.ts';
import type { Json } from './rendered-yaml.ts';

/** Values of Secrets with fewer characters are not searched for: other objects may contain such words by chance. */
const SECRET_CHARACTERS_MIN = 8;
/** Keys of Secrets whose values are not confidential, as in service bindings. */
const OPEN_KEYS = ['host', 'port', 'type', 'provider', 'username', 'user', 'database', 'name'];

/** Texts that are secrets, whatever the name of their setting. */
const SECRET_FORMS: readonly [form: RegExp, name: string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key'],
  [/\beyJ[\w-]{10,200}\.eyJ[\w-]{10,}\.[\w-]{10,}/, 'a signed token'],
  [/\bAKIA[0-9A-Z]{16}\b/, 'an access key of AWS'],
  [/\bgh[pousr]_[A-Za-z0-9]{36}/, 'a token of GitHub'],
  [/\bglpat-[\w-]{20}/, 'a token of GitLab'],
  [/\bxox[abprs]-[\w-]{10,}/, 'a token of Slack'],
  [/\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@"'<>${}()]*:[^\s/:@"'<>${}()]+@/i, 'an address with a password'],
];

/** Names of settings whose values are secrets. */
const SECRET_NAME = String.raw`[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|credentials?|api[_-]?key|access[_-]?key|private[_-]?key)`;
/** Settings of redis whose values are secrets; redis writes them without `=`. */
const SECRET_DIRECTIVE = String.raw`(?:requirepass|masterauth|sentinel\s+auth-pass\s+\S+)\s+`;
/**
 * A value that is written out. References to a value (variables, templates, commands, placeholders and paths) begin with other characters.
 */
const LITERAL = String.raw`["']?(?<value>[A-Za-z0-9+=_!#%^&*.,:;~-]{6,})["']?\s*$`;
const SETTING = new RegExp(
  String.raw`^\s*(?:export\s+)?(?:["']?${SECRET_NAME}["']?\s*[:=]\s*|${SECRET_DIRECTIVE})${LITERAL}`,
  'i',
);
const SECRET_KEY = new RegExp(`^${SECRET_NAME}$`, 'i');
const WHOLE_LITERAL = new RegExp(`^${LITERAL}`);
/** Only this much of a line is read: the patterns take time proportional to its length, and a setting that a person wrote is shorter. */
const LINE_CHARACTERS_MAX = 4096;

/** Limit of values in Secrets, because all other texts are searched for each of them. */
const SECRET_VALUES_MAX = 500;

/** Returns the secrets that these objects contain in the wrong place, as violations. */
export function checkSecrets(objects: readonly RenderedObject[]): Violation[] {
  const known = secretValues(objects);
  if (known.size > SECRET_VALUES_MAX) {
    const rendering = { kind: 'The', name: 'rendering' };
    return [violation(rendering, '', { reason: `has more than ${SECRET_VALUES_MAX} values in secrets` })];
  }
  return objects.flatMap((object) => [
    ...(object.kind === 'ConfigMap' ? configMapFaults(object) : []),
    ...(object.kind === 'Secret' ? [] : copiedSecrets(object, known)),
  ]);
}

function configMapFaults(object: RenderedObject): Violation[] {
  return Object.entries(mapOf(object.fields['data'])).flatMap(([key, value]) => {
    if (typeof value !== 'string') return [];
    const found = secretIn(key, value);
    return found === undefined
      ? []
      : violation(object, `data["${key}"]`, { reason: `contains ${found}; move it to a Secret` });
  });
}

/** Describes the first secret in a text; undefined if there is none. */
function secretIn(key: string, text: string): string | undefined {
  if (SECRET_KEY.test(key) && WHOLE_LITERAL.test(text)) return 'a value that its name calls a secret';
  for (const [index, line] of text.split('\n').entries()) {
    const start = line.slice(0, LINE_CHARACTERS_MAX);
    const form = SECRET_FORMS.find(([pattern]) => pattern.test(start));
    if (form !== undefined) return `${form[1]} in line ${index + 1}`;
    if (SETTING.test(start)) return `a secret setting in line ${index + 1}`;
  }
  return undefined;
}

/** Returns the values of all rendered Secrets, both decoded and as written. */
function secretValues(objects: readonly RenderedObject[]): Set<string> {
  const secrets = objects.filter(({ kind }) => kind === 'Secret');
  const values = secrets.flatMap(({ fields }) => {
    const encoded = confidential(fields['data']);
    return [
      ...encoded,
      ...encoded.map((value) => Buffer.from(value, 'base64').toString()),
      ...confidential(fields['stringData']),
    ];
  });
  return new Set(values.filter((value) => value.trim().length >= SECRET_CHARACTERS_MIN));
}

function confidential(data: Json | undefined): string[] {
  return Object.entries(mapOf(data)).flatMap(([key, value]) =>
    typeof value === 'string' && !OPEN_KEYS.includes(key) ? value : [],
  );
}

function copiedSecrets(object: RenderedObject, known: ReadonlySet<string>): Violation[] {
  return textsOf(object.fields, '').flatMap(({ text, path }) =>
    [...known].some((value) => text.includes(value))
      ? violation(object, path, { reason: 'contains a value of a Secret' })
      : [],
  );
}

function textsOf(value: Json | undefined, path: string): { text: string; path: string }[] {
  if (typeof value === 'string') return value.length < SECRET_CHARACTERS_MIN ? [] : [{ text: value, path }];
  if (Array.isArray(value)) return listOf(value).flatMap((item, index) => textsOf(item, `${path}[${index}]`));
  return Object.entries(mapOf(value)).flatMap(([key, held]) => textsOf(held, path === '' ? key : `${path}.${key}`));
}
