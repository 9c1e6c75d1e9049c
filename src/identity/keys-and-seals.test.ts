// The key file of the installation, and values that are sealed with its keys.
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { deriveKey, loadInstallationKey, newInstallationKey } from './installation-key.ts';
import { seal, unseal } from './sealed.ts';

const folder = mkdtempSync(join(tmpdir(), 'larder-key-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function fresh(): string {
  return join(folder, `f${files++}`, 'installation.key');
}

describe('loadInstallationKey', () => {
  test('creates a file that only its owner can read, and reads the same key again', async () => {
    const file = fresh();
    const made = await loadInstallationKey(file, { create: true });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = await loadInstallationKey(file);
    expect(again.current.secret.equals(made.current.secret)).toBe(true);
    expect(readdirSync(join(file, '..'))).toEqual(['installation.key']);
  });

  test('returns the same key to many concurrent first starts', async () => {
    const file = fresh();
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadInstallationKey(file, { create: true })));
    expect(new Set(keys.map((key) => key.current.secret.toString('hex'))).size).toBe(1);
  });

  test('rejects a missing file without `create`', async () => {
    await expect(loadInstallationKey(fresh())).rejects.toMatchObject({ code: 'KEY_FILE' });
  });

  test.each([0o640, 0o604, 0o660, 0o777])('rejects a file of mode %o', async (mode) => {
    const file = fresh();
    await loadInstallationKey(file, { create: true });
    chmodSync(file, mode);
    await expect(loadInstallationKey(file)).rejects.toMatchObject({ code: 'KEY_FILE' });
  });

  test.each(['', 'larder-key-1 short', `larder-key-2 ${'A'.repeat(43)}`, `larder-key-1 ${'A'.repeat(43)}\nx`])(
    'rejects a file with the content %j',
    async (text) => {
      const file = join(folder, `malformed${files++}`);
      writeFileSync(file, text, { mode: 0o600 });
      await expect(loadInstallationKey(file)).rejects.toMatchObject({ code: 'KEY_FILE' });
    },
  );

  test('rejects a folder and a device', async () => {
    await expect(loadInstallationKey(folder)).rejects.toMatchObject({ code: 'KEY_FILE' });
    const device = join(folder, 'device');
    symlinkSync('/dev/zero', device);
    await expect(loadInstallationKey(device)).rejects.toMatchObject({ code: 'KEY_FILE' });
  });

  test('seals with the first line of a file, and opens with the second too', async () => {
    const [older, newer] = [newInstallationKey(), newInstallationKey()];
    const lines = [newer, older].map((key) => `larder-key-1 ${key.current.secret.toString('base64url')}\n`);
    const file = join(folder, 'rotated');
    writeFileSync(file, lines.join(''), { mode: 0o600 });
    const both = await loadInstallationKey(file);
    const owner = { organization_id: 'o', row_id: 'r' };
    expect(unseal(both, seal(older, 'earlier', owner), owner)).toBe('earlier');
    expect(unseal(newer, seal(both, 'later', owner), owner)).toBe('later');
  });

  test('returns keys from which different keys are derived for different purposes', () => {
    const { current } = newInstallationKey();
    expect(deriveKey(current, 'a').equals(deriveKey(current, 'b'))).toBe(false);
    expect(deriveKey(current, 'a')).toHaveLength(32);
  });
});

describe('seal', () => {
  const key = newInstallationKey();
  const owner = { organization_id: '6f1e', row_id: '77aa' };

  test('seals any text for its row, and two seals of one text differ', () => {
    for (const text of ['', 's3cret', 'Schlüssel 🔑', 'x'.repeat(100_000)]) {
      expect(unseal(key, seal(key, text, owner), owner)).toBe(text);
    }
    expect(seal(key, 'a', owner).equals(seal(key, 'a', owner))).toBe(false);
    expect(seal(key, 'visible', owner).includes('visible')).toBe(false);
  });

  test.each([
    ['another row', { ...owner, row_id: '77ab' }],
    ['another organization', { ...owner, organization_id: '6f1f' }],
    ['the same letters divided differently', { organization_id: '6f1', row_id: 'e77aa' }],
  ])('does not open for %s', (_what, other) => {
    expect(() => unseal(key, seal(key, 's3cret', owner), other)).toThrowError(
      expect.objectContaining({ code: 'SEAL_BROKEN' }),
    );
  });

  test("does not open with another installation's key", () => {
    expect(() => unseal(newInstallationKey(), seal(key, 's3cret', owner), owner)).toThrowError(
      expect.objectContaining({ code: 'SEAL_BROKEN' }),
    );
  });

  test('does not open if any byte was changed, or if it was cut', () => {
    const sealed = seal(key, 's3cret', owner);
    const opened = [...sealed.keys()].filter((at) => {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      return opens(changed) || opens(sealed.subarray(0, at));
    });
    expect(opened).toEqual([]);
  });

  function opens(sealed: Buffer): boolean {
    try {
      unseal(key, sealed, owner);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'SEAL_BROKEN' });
      return false;
    }
  }
});
