// One setting: how its value is parsed, its default, and its text in the operator guide.

export type Setting<T = unknown> = {
  /** Describes the allowed values. An error message ends with this text. */
  readonly expects: string;
  /**
   * Converts the text of the environment variable to the value. Relative paths are resolved against `directory`. Throws
   * SettingFault.
   */
  readonly parse: (text: string, directory: string) => T;
  /**
   * The default, as an operator would write it. `$LARDER_DATA` is replaced by the value of that setting. Absent if the
   * setting has no default.
   */
  readonly default?: string;
  /** Markdown that the guide shows instead of the default. Every setting without a default has it. */
  readonly defaultDoc?: string;
  /** Markdown that describes the setting in the guide. */
  readonly doc: string;
  /** Settings that must be set too if this setting is set. */
  readonly requires?: readonly string[];
  /** Settings that must not be set if this setting is set. */
  readonly excludes?: readonly string[];
  /** A second name of the variable. If both variables are set, the variable with this name is used. */
  readonly alias?: string;
};

export type SettingTable = Readonly<Record<string, Setting>>;

/** How values of one type are parsed. */
export type ValueType<T> = Pick<Setting<T>, 'expects' | 'parse'>;

/** The values by the names of their settings. A setting without a default may be undefined. */
export type SettingValues<Table extends SettingTable> = {
  readonly [Name in keyof Table]:
    | ReturnType<Table[Name]['parse']>
    | (Table[Name] extends { readonly default: string } ? never : undefined);
};

/**
 * Thrown for a value that is not allowed. The name of the setting comes before the message. The message never contains the
 * value, because the value may be a password.
 */
export class SettingFault extends Error {
  override readonly name = 'SettingFault';
  readonly code = 'SETTING_FAULT';
}
