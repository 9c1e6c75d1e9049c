// The tables of settings in the operator guide must equal the tables that the program generates.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OIDC_SETTINGS } from './oidc-settings.ts';
import type { SettingTable } from './setting.ts';
import { GENERAL_SETTINGS } from './settings.ts';
import { withSettingsTables } from './settings-table.ts';

const GUIDE = new URL('../../docs/operator-guide.md', import.meta.url).pathname;
const table: SettingTable = { ...GENERAL_SETTINGS, ...OIDC_SETTINGS };

test('the operator guide has the tables; `npm run settings-table` writes them', async () => {
  await expect(withSettingsTables(readFileSync(GUIDE, 'utf8'))).toMatchFileSnapshot(GUIDE);
});

test('a table that was changed by hand is overwritten, and a guide without the place for a table is rejected', () => {
  const guide = withSettingsTables(readFileSync(GUIDE, 'utf8'));
  expect(withSettingsTables(guide.replace('| `LARDER_PORT` | `8080` |', '| `LARDER_PORT` | `80` |'))).toBe(guide);
  expect(() => withSettingsTables(guide.replace('<!-- settings: oidc -->', ''))).toThrow('settings: oidc');
});

test('each setting has a default or says what its absence means, and relates to settings that exist', () => {
  for (const [name, setting] of Object.entries(table)) {
    expect(setting.default ?? setting.defaultDoc, name).toBeTruthy();
    for (const other of [...(setting.requires ?? []), ...(setting.excludes ?? [])]) {
      expect(Object.keys(table), `${name} names ${other}`).toContain(other);
    }
    expect(`${setting.doc}${setting.defaultDoc ?? ''}`, name).not.toMatch(/[|\n]/);
  }
});
