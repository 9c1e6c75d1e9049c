// Parses a YAML file of a chart. If the document is changed, its comments stay.
import { type Document, parseDocument } from 'yaml';
import { ChartError } from './chart-error.ts';

/** Parses one document. Throws ChartError if the text is not YAML. */
export function parseChartDocument(file: string, text: string): Document.Parsed {
  const document = parseDocument(text, { version: '1.2', schema: 'core', prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw new ChartError(file, `is not valid YAML: ${problem.message}`);
  return document;
}
