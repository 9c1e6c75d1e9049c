// One setting: how its value is read, its default, and what the operator guide says about it.

export type Setting<T = unknown> = {
  /** Describes a valid value; the end of an error message. */
  readonly expects: string;
  /** Parses the text of the environment variable. Relative paths start at `directory`. Throws SettingFault. */
  readonly parse: (text: string, directory: string) => T;
  /** Written as an operator would write it; `$LARDER_DATA` stands for the value of that setting. Absent: no value. */
  readonly default?: string;
  /** Shown by the guide in place of the default; Markdown. Every setting without a default has one. */
  readonly defaultDoc?: string;
  /** The meaning, for the guide; Markdown. */
  readonly doc: string;
  /** Settings that must be set when this one is. */
  readonly requires?: readonly string[];
  /** Settings that must not be set when this one is. */
  readonly excludes?: readonly string[];
  /** A second name of the variable, which takes precedence. */
  readonly alias?: string;
};

export type SettingTable = Readonly<Record<string, Setting>>;

/** How a type of value is read. */
export type ValueType<T> = Pick<Setting<T>, 'expects' | 'parse'>;

/** The values by name: the parsed type, or undefined where the setting has no default. */
export type SettingValues<Table extends SettingTable> = {
  readonly [Name in keyof Table]:
    | ReturnType<Table[Name]['parse']>
    | (Table[Name] extends { readonly default: string } ? never : undefined);
};

/** A wrong value. The message continues the name of the setting and never repeats the value: it may hold a password. */
export class SettingFault extends Error {
  override readonly name = 'SettingFault';
  readonly code = 'SETTING_FAULT';
}
