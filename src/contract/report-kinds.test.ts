// The table of reports. File names are distinct, and each `mime_type` has one media type.
import { expect, test } from 'vitest';
import { findReport, REPORT_KINDS, reportFile, reports } from './report-kinds.ts';

test('each kind has its own file name, and each mime_type one media type, attached or not', () => {
  const all = REPORT_KINDS.map((kind) => reports[kind]);
  expect(new Set(all.map(({ filename }) => filename)).size).toBe(REPORT_KINDS.length);
  for (const { mime_type, media_type, is_attached } of all)
    expect(findReport(mime_type)).toMatchObject({ media_type, is_attached });
});

test('reportFile returns a content as a file of the API, and only the SBOM is attached', () => {
  const content = { digest: 'sha256:1', size: 3 } as const;
  expect(reportFile('TRIGGER_INFO', content)).toEqual({
    ...content,
    mime_type: 'trigger_info',
    filename: 'result.json',
  });
  expect(REPORT_KINDS.filter((kind) => reports[kind].is_attached)).toEqual(['SPDX_SBOM']);
  expect(findReport('application/gzip')).toBeUndefined();
});
