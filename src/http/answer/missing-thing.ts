// Writes the detail of a 404. The detail depends only on the request, so it reveals nothing about objects of other
// organizations.

/** Nouns for path parameters whose name is not a noun for people. For example, the parameter `digest` names a file. */
const NOUNS: Record<string, string> = { api_token: 'API token', digest: 'file', provider: 'notification provider' };

/** The longest parameter value that the detail repeats, in characters. Ids, digests and keys are shorter. */
const ECHO_LENGTH_MAX = 100;

/**
 * Returns the sentence for a path whose `noun` does not exist: `There is no application X in catalog Y that is visible to
 * you.` Without a noun, uses the last parameter of the path. Returns undefined if there is neither a parameter nor a noun.
 */
export function missingThing(params: Readonly<Record<string, string>>, noun?: string): string | undefined {
  const things = Object.entries(params).map(([name, value]) => ({ noun: nounOf(name), name: shortened(value) }));
  const found = things.findIndex((one) => one.noun === noun);
  const at = found === -1 && noun === undefined ? things.length - 1 : found;
  const missing = things[at];
  const what = missing === undefined ? noun : `${missing.noun} ${missing.name}`;
  if (what === undefined) return undefined;
  const above = (missing === undefined ? things : things.slice(0, at)).reverse();
  const where = above.map((one) => ` ${one.noun === 'catalog' ? 'in' : 'of'} ${one.noun} ${one.name}`).join('');
  return `There is no ${what}${where} that is visible to you.`;
}

function nounOf(parameter: string): string {
  const name = parameter.replace(/_id(_or_key)?$/, '');
  return NOUNS[name] ?? name.replaceAll('_', ' ');
}

function shortened(value: string): string {
  return value.length > ECHO_LENGTH_MAX ? `${value.slice(0, ECHO_LENGTH_MAX)}…` : value;
}
