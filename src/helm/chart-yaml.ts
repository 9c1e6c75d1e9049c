// Reads a chart's metadata from Chart.yaml, and writes its version and the images that it contains.
import { isMap, Scalar, stringify } from 'yaml';
import { parseChartDocument } from './chart-document.ts';
import { ChartError } from './chart-error.ts';

const CHART_YAML = 'Chart.yaml';

/**
 * The fields of Chart.yaml that helm knows. Helm keeps them in the config of a pushed chart (helm, pkg/chart/v2/metadata.go).
 */
const METADATA_KEYS = [
  'name',
  'home',
  'sources',
  'version',
  'description',
  'keywords',
  'maintainers',
  'icon',
  'apiVersion',
  'condition',
  'tags',
  'appVersion',
  'deprecated',
  'annotations',
  'kubeVersion',
  'dependencies',
  'type',
] as const;

export type ChartMetadata = {
  name: string;
  version: string;
  description?: string;
  home?: string;
  sources?: string[];
  maintainers?: { name: string; email?: string }[];
  annotations?: Record<string, string>;
  dependencies?: { name: string; version: string; repository?: string }[];
};

/** The version of a chart. It has three numbers, and Larder chooses the third one at each release. */
const VERSION = /^(?<series>(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))\.(?:0|[1-9]\d*)$/;
/** The name of a chart. Helm accepts it, and registries accept it as a part of a repository's name. */
const NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Reads the metadata. Throws ChartError if Larder cannot release the chart. */
export function readChartYaml(text: string): ChartMetadata {
  const document = parseChartDocument(CHART_YAML, text);
  if (!isMap(document.contents)) throw new ChartError(CHART_YAML, 'is not a mapping');
  const all = document.toJS() as Record<string, unknown>;
  const metadata = Object.fromEntries(METADATA_KEYS.filter((key) => key in all).map((key) => [key, all[key]]));
  const { apiVersion, name, version } = metadata;
  if (apiVersion !== 'v2') throw new ChartError(CHART_YAML, 'has an apiVersion that is not v2');
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new ChartError(CHART_YAML, 'has a name that is not small letters, digits and dashes');
  }
  if (typeof version !== 'string' || !VERSION.test(version)) {
    throw new ChartError(CHART_YAML, 'has a version that is not three numbers, as 1.0.0');
  }
  // The other fields are optional. Helm checks them when the chart is tested.
  return metadata as ChartMetadata;
}

/** Returns the part of a chart's version that its author sets, such as `1.0` of 1.0.0. */
export function versionSeries({ version }: ChartMetadata): string {
  return VERSION.exec(version)?.groups?.['series'] ?? version;
}

export type ChartRelease = {
  version: string;
  /** The version of the software that the chart installs. */
  appVersion: string;
  images: readonly { name: string; image: string }[];
};

/**
 * Replaces version, appVersion and the annotation `images`. All other text and the comments stay unchanged. Throws
 * ChartError.
 */
export function writeChartYaml(text: string, { version, appVersion, images }: ChartRelease): string {
  const document = parseChartDocument(CHART_YAML, text);
  document.setIn(['version'], version);
  document.setIn(['appVersion'], quotedText(appVersion));
  const list = new Scalar(stringify(images, { lineWidth: 0 }));
  list.type = Scalar.BLOCK_LITERAL;
  document.setIn(['annotations', 'images'], list);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Returns the text in quotes. Without quotes, YAML would read `7.0` as a number. */
function quotedText(text: string): Scalar {
  const scalar = new Scalar(text);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}
