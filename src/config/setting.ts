// One setting: how its value is read, its default, and how the operator guide describes it.

export type Setting<T = unknown> = {
  /** Describes the values that are allowed; used as the end of an error message. */
  readonly expects: string;
  /** Converts the text of the environment variable to the value. Relative paths are below `directory`. Throws SettingFault. */
  readonly parse: (text: string, directory: string) => T;
  /**
   * The default, as an operator would write it. `$LARDER_DATA` stands for the value of that setting. Absent: the setting has no
   * default.
   */
  readonly default?: string;
  /** Markdown that the guide shows in place of the default. Every setting without a default has it. */
  readonly defaultDoc?: string;
  /** Markdown that describes the setting in the guide. */
  readonly doc: string;
  /** Settings that must be set too if this setting is set. */
  readonly requires?: readonly string[];
  /** Settings that must not be set if this setting is set. */
  readonly excludes?: readonly string[];
  /** A second name of the variable. If variables of both names are set, the variable of this name is used. */
  readonly alias?: string;
};

export type SettingTable = Readonly<Record<string, Setting>>;

/** How values of one type are read. */
export type ValueType<T> = Pick<Setting<T>, 'expects' | 'parse'>;

/** The values by the names of their settings. A setting without a default may be undefined. */
export type SettingValues<Table extends SettingTable> = {
  readonly [Name in keyof Table]:
    | ReturnType<Table[Name]['parse']>
    | (Table[Name] extends { readonly default: string } ? never : undefined);
};

/**
 * Thrown for a value that is not allowed. The message is appended to the name of the setting. It never contains the value,
 * which may be a password.
 */
export class SettingFault extends Error {
  override readonly name = 'SettingFault';
  readonly code = 'SETTING_FAULT';
}
