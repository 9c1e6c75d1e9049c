// Runs helm and kubeconform for tests of charts, without a network or a cluster.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { KUBERNETES_VERSIONS } from '../../src/packaging/chart/kubernetes-kinds.ts';
import { HELM_3, HELM_4 } from '../clients.ts';
import type { KubernetesObject } from './object-rules.ts';

const execute = promisify(execFile);
/** The time limit of helm. On a busy machine, a rendering takes a second. */
const HELM_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** The installed versions of helm. */
export const HELMS = [
  { name: 'helm 3', path: HELM_3 },
  { name: 'helm 4', path: HELM_4 },
].flatMap(({ name, path }) => (path === undefined ? [] : [{ name, path }]));

/** Runs helm and returns its output. Throws an error with helm's own message. */
export async function runHelm(path: string, ...args: string[]): Promise<string> {
  const options = {
    timeout: HELM_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
    env: { PATH: process.env['PATH'], HOME: '/tmp' },
  };
  return (await execute(path, args, options)).stdout;
}

/**
 * Renders a chart for the release "shop" in the namespace "store". Uses the newest Kubernetes unless the arguments name
 * another version.
 */
export async function renderText(helm: string, chart: string, ...args: string[]): Promise<string> {
  // If helm was built from its module, it assumes Kubernetes 1.20 by default.
  const version = ['--kube-version', KUBERNETES_VERSIONS.at(-1) ?? ''];
  return await runHelm(helm, 'template', 'shop', chart, '--namespace', 'store', ...version, ...args);
}

/** Removes the values that helm generates anew at each rendering: certificates, and passwords and cookies that are not set. */
export const withoutRandom = (rendered: string) =>
  rendered.replaceAll(/^ +(ca\.crt|tls\.crt|tls\.key|[a-z-]*password|[a-z-]*cookie): .*$/gm, '');

/** Renders a chart and returns its objects. */
export async function renderChart(helm: string, chart: string, ...args: string[]): Promise<KubernetesObject[]> {
  return parseObjects(await renderText(helm, chart, ...args));
}

/** Renders a chart with values. helm gets them as JSON, so that numbers have the same type as in the files of users. */
export async function renderValues(helm: string, chart: string, values: object): Promise<KubernetesObject[]> {
  const args = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
  return await renderChart(helm, chart, ...args);
}

/** Reads YAML documents as objects, sorted by kind and name. Throws if the YAML is invalid or a key occurs twice. */
export function parseObjects(rendered: string): KubernetesObject[] {
  const documents = parseAllDocuments(rendered);
  const objects = Array.isArray(documents)
    ? documents.flatMap((document) => {
        if (document.errors[0]) throw document.errors[0];
        const object = document.toJS() as KubernetesObject | null;
        return object === null ? [] : [object];
      })
    : [];
  const nameOf = ({ kind, metadata }: KubernetesObject) => `${kind}/${metadata.name}`;
  return objects.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** Runs a program with a text as input. Returns its exit code and output. */
export async function runWith(
  program: string,
  args: string[],
  input: string,
): Promise<{ code: number; output: string }> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  child.stdin.end(input);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  return { code: Number(code), output: out + err };
}
