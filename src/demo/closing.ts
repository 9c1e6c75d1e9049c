// The last lines of the demonstration. They contain commands for a shell that pull an image, call the API, and stop and start
// Larder.
import { chartAddress, isPlain, partsOf } from './chart.ts';
import type { Released } from './main-job.ts';
import { USER_NAME } from './pull.ts';

export type Closing = {
  /** The address of Larder. */
  url: string;
  /** The address of the hosted registry. */
  registry: string;
  catalog_id: string;
  released: Released[];
  /** The file with the API token. */
  tokenFile: string;
  /** The name of an installed client that can pull images. */
  puller: Puller;
  /** Settings with which another start uses the same data, such as `LARDER_DATA=… `. May be empty. */
  settings: string;
  /** Whether Larder was stopped before these lines. */
  stopped: boolean;
};

/**
 * Clients that can pull images. The first installed client is shown. If none is installed, the first of the list is shown,
 * because it requires no other software.
 */
export const PULLERS = ['skopeo', 'podman', 'docker'] as const;
export type Puller = (typeof PULLERS)[number];

/** Quotes a text as one word of a shell (POSIX.1-2024, Shell Command Language, section 2.2.2). */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Returns the last lines. */
export function closingLines(closing: Closing): string[] {
  const { url, tokenFile, settings, stopped } = closing;
  const charts = closing.released.filter(({ packaging_type }) => packaging_type === 'HELM_CHART');
  return [
    '',
    stopped ? 'Larder is stopped; its data is kept.' : `Larder stays up at ${url} until Ctrl-C.`,
    `Start it again:  ${settings}npm start        (or ${settings}npm run demo: it finds the earlier results)`,
    `The API token is in ${quoted(tokenFile)}, readable only by Larder's own user and root.`,
    '',
    `${stopped ? 'When it runs again, pull' : 'Pull'} the images with any client, here ${closing.puller}; any user name, the API token as password:`,
    ...closing.released.filter((one) => !charts.includes(one)).map((image) => `  ${pullCommand(image, closing)}`),
    ...charts.map((chart) => `  ${pullChartCommand(chart, closing)}`),
    '',
    'Call the API:',
    ...askCommands(closing).map((line) => `  ${line}`),
    `  LARDER_URL=${url} LARDER_TOKEN="$(cat ${quoted(tokenFile)})" npm run larder -- releases`,
  ];
}

/**
 * Returns a command that pulls the image. It reads the token from a file, so that the token is not in the shell's history.
 */
export function pullCommand({ url }: Released, { puller, tokenFile }: Pick<Closing, 'puller' | 'tokenFile'>): string {
  const token = `cat ${quoted(tokenFile)}`;
  const login = `"${USER_NAME}:$(${token})"`;
  const [host = ''] = url.split('/');
  const name = /([^/:]+):[^/]*$/.exec(url)?.[1] ?? 'image';
  switch (puller) {
    case 'podman':
      return `podman pull --tls-verify=false --creds ${login} ${url}`;
    case 'docker':
      return `${token} | docker login --username ${USER_NAME} --password-stdin ${host} && docker pull ${url}`;
    case 'skopeo':
      return `skopeo copy --src-tls-verify=false --src-creds ${login} docker://${url} oci:${name}`;
  }
}

/** Returns a command that pulls the chart with helm. */
function pullChartCommand({ url }: Released, { registry, tokenFile }: Pick<Closing, 'registry' | 'tokenFile'>): string {
  const { version } = partsOf(url);
  const options = [`--version ${version}`, ...(isPlain({ registry }) ? ['--plain-http'] : [])].join(' ');
  const login = `--username ${USER_NAME} --password "$(cat ${quoted(tokenFile)})"`;
  return `helm pull ${chartAddress({ registry, url })} ${options} ${login}`;
}

/** Returns two commands: the first gets an access token, the second lists releases with it. */
export function askCommands({
  url,
  catalog_id,
  tokenFile,
}: Pick<Closing, 'url' | 'catalog_id' | 'tokenFile'>): string[] {
  const exchange = `${url}/csp/gateway/am/api/auth/api-tokens/authorize`;
  const pick = String.raw`sed 's/.*"access_token":"\([^"]*\)".*/\1/'`;
  return [
    `ACCESS=$(curl -s --data-urlencode "refresh_token=$(cat ${quoted(tokenFile)})" ${exchange} | ${pick})`,
    `curl -s -H "Authorization: Bearer $ACCESS" ${url}/v1/catalogs/${catalog_id}/releases`,
  ];
}
