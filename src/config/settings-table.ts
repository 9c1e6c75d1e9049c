// Writes the tables of settings in the operator guide. They are generated from the tables of settings in the code.
import { OIDC_SETTINGS } from './oidc-settings.ts';
import type { SettingTable } from './setting.ts';
import { GENERAL_SETTINGS } from './settings.ts';

const TABLES: Readonly<Record<string, SettingTable>> = { general: GENERAL_SETTINGS, oidc: OIDC_SETTINGS };

/**
 * Returns the guide with current tables between `<!-- settings: NAME -->` and `<!-- /settings -->`. Throws if such lines are
 * missing.
 */
export function withSettingsTables(guide: string): string {
  return Object.entries(TABLES).reduce((text, [name, table]) => {
    const begin = `<!-- settings: ${name} -->\n`;
    const [before, after] = [
      text.indexOf(begin) + begin.length,
      text.indexOf('<!-- /settings -->', text.indexOf(begin)),
    ];
    if (before < begin.length || after < 0)
      throw new Error(`The guide has no lines «<!-- settings: ${name} -->» and «<!-- /settings -->»`);
    return `${text.slice(0, before)}${settingsTable(table)}${text.slice(after)}`;
  }, guide);
}

function settingsTable(table: SettingTable): string {
  const rows = Object.entries(table).map(
    ([name, setting]) => `| \`${name}\` | ${setting.defaultDoc ?? `\`${setting.default}\``} | ${setting.doc} |`,
  );
  return ['| setting | default | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}
