// The reports of a pipeline: their file names, their media types, and whether they are attached to the artifact.
import type { Digest, MetadataFile, PhaseType } from './vocabulary.ts';

export const REPORT_KINDS = [
  'BUILD_LOG',
  'VERIFICATION_LOG',
  'DISTRIBUTION_LOG',
  'SPDX_SBOM',
  'TEST_RESULTS',
  'TRIGGER_INFO',
] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];

type Report = {
  filename: string;
  /** The `mime_type` of the API, which is a word for the kind of file. */
  mime_type: string;
  /** The media type of the download and of the referrer. */
  media_type: string;
  /**
   * Whether the report is pushed as a referrer of the artifact. A client that pulls the artifact then finds the report
   * without a request to Larder.
   */
  is_attached: boolean;
};

const LOG = { mime_type: 'build_log', media_type: 'text/plain; charset=utf-8', is_attached: false };

export const reports = {
  /**
   * The log of packaging. If packaging made an artifact, the log belongs to the artifact, because pipelines with equal plans
   * share both.
   */
  BUILD_LOG: { ...LOG, filename: 'build.log' },
  VERIFICATION_LOG: { ...LOG, filename: 'verification.log' },
  /** The log of a distribution. It is kept only if the phase fails. */
  DISTRIBUTION_LOG: { ...LOG, filename: 'distribution.log' },
  /** The SBOM in SPDX 2.3. IANA has registered its media type. */
  SPDX_SBOM: {
    filename: 'sbom.spdx.json',
    mime_type: 'spdx_sbom',
    media_type: 'application/spdx+json',
    is_attached: true,
  },
  TEST_RESULTS: {
    filename: 'test-results.json',
    mime_type: 'test_results',
    media_type: 'application/json',
    is_attached: false,
  },
  TRIGGER_INFO: {
    filename: 'result.json',
    mime_type: 'trigger_info',
    media_type: 'application/json',
    is_attached: false,
  },
} as const satisfies Record<ReportKind, Report>;

/** The log of each phase. */
export const PHASE_LOGS = {
  PACKAGING: 'BUILD_LOG',
  VERIFICATION: 'VERIFICATION_LOG',
  DISTRIBUTION: 'DISTRIBUTION_LOG',
} as const satisfies Record<PhaseType, ReportKind>;

/** Returns a content as the report of this kind. */
export function reportFile(kind: ReportKind, { digest, size }: { digest: Digest; size: number }): MetadataFile {
  const { filename, mime_type } = reports[kind];
  return { digest, size, mime_type, filename };
}

/**
 * Returns the report with this `mime_type`, or undefined for other files. All logs have the same `mime_type` and the same
 * media type.
 */
export function findReport(mimeType: string): Report | undefined {
  return Object.values(reports).find((report) => report.mime_type === mimeType);
}
