// Writes charts with a few files, for tests of verification.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { AssembledChart } from './assembled-chart.ts';

/** Writes a chart to a temporary folder: Chart.yaml, values.yaml and the given files, by their path in the chart. */
export async function writeChart(files: Record<string, string>): Promise<AssembledChart> {
  const path = await mkdtemp(join(tmpdir(), 'larder-chart-'));
  const chart = 'apiVersion: v2\nname: hostile\nversion: 1.0.0\nicon: https://example.com/icon.svg\n';
  for (const [name, text] of Object.entries({ 'Chart.yaml': chart, 'values.yaml': '{}\n', ...files })) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
