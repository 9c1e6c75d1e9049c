// Reads all settings from the environment and reports all faults at once.
import { nearestWord } from '../nearest-word.ts';
import { OIDC_SETTINGS } from './oidc-settings.ts';
import { type Setting, SettingFault, type SettingTable, type SettingValues } from './setting.ts';
import { COMMAND_LINE_SETTINGS, GENERAL_SETTINGS } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type ConfigViolation = { name: string; message: string };

const SETTINGS = { ...GENERAL_SETTINGS, ...OIDC_SETTINGS };

export type Values = SettingValues<typeof SETTINGS>;

/** Returns the values and all violations. If there are violations, the values must not be used. */
export function readSettings(
  environment: Environment,
  directory: string,
): { values: Values; violations: ConfigViolation[] } {
  const violations = unknownNames(environment);
  const table: SettingTable = SETTINGS;
  const given = new Map<string, { name: string; text: string }>();
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const found = givenTo(name, setting, environment);
    if (found !== undefined) given.set(name, found);
    try {
      const text = found?.text ?? setting.default?.replace('$LARDER_DATA', String(values['LARDER_DATA']));
      values[name] = text === undefined ? undefined : setting.parse(text, directory);
    } catch (error) {
      if (!(error instanceof SettingFault)) throw error;
      violations.push({ name: found?.name ?? name, message: `${error.message}; expected ${setting.expects}` });
    }
  }
  violations.push(...brokenRelations(table, given));
  // This cast is safe, because `parse` of each entry has returned the value, and the type is derived from `parse`.
  return { values: values as Values, violations };
}

/** Returns the text of a variable. An empty variable counts as not set. */
export function textOf(environment: Environment, name: string): string | undefined {
  return environment[name]?.trim() || undefined;
}

function givenTo(
  name: string,
  { alias }: Setting,
  environment: Environment,
): { name: string; text: string } | undefined {
  for (const variable of alias === undefined ? [name] : [alias, name]) {
    const text = textOf(environment, variable);
    if (text !== undefined) return { name: variable, text };
  }
  return undefined;
}

function brokenRelations(table: SettingTable, given: ReadonlyMap<string, unknown>): ConfigViolation[] {
  return Object.entries(table)
    .filter(([name]) => given.has(name))
    .flatMap(([name, { requires = [], excludes = [] }]) => [
      ...requires.filter((other) => !given.has(other)).map((other) => ({ name, message: `requires ${other}` })),
      ...excludes
        .filter((other) => given.has(other))
        .map((other) => ({ name, message: `excludes ${other}; set one of them` })),
    ]);
}

function unknownNames(environment: Environment): ConfigViolation[] {
  const known: string[] = [...Object.keys(SETTINGS), ...COMMAND_LINE_SETTINGS];
  return Object.keys(environment)
    .filter((name) => name.startsWith('LARDER_') && !known.includes(name))
    .map((name) => ({ name, message: `is not a setting; did you mean ${nearestWord(name, known)}?` }));
}
