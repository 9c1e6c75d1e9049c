// A client of the Kubernetes API for tests: creates objects, and lists all objects of a namespace.
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

export type ClusterObject = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
  type?: string;
  data?: Record<string, string>;
};

export type KubernetesApi = {
  isReady(): Promise<boolean>;
  /** Whether the API serves a kind. */
  knows(apiVersion: string, kind: string): Promise<boolean>;
  /** Creates an object and sets its status if it has one. Throws an error with the answer of the API. */
  create(object: { apiVersion: string; kind: string; metadata: object } & Record<string, unknown>): Promise<void>;
  remove(resource: Resource, name: string, namespace?: string): Promise<void>;
  /** Lists the objects of a kind, in all namespaces or in one namespace. */
  list(resource: Resource, namespace?: string): Promise<ClusterObject[]>;
  /** Lists the kinds whose objects can be listed. The result is that of the first call. */
  resources(): Promise<Resource[]>;
};

export type Resource = { group: string; version: string; name: string; kind: string; namespaced: boolean };

const NOT_FOUND = 404;

type Answer = { status: number; body: string };
type Send = (method: string, path: string, body?: unknown) => Promise<Answer>;
type Options = { url: string; token: string; ca: string };

export function openKubernetesApi(options: Options): KubernetesApi {
  const send = sender(options);
  let resources: Promise<Resource[]> | undefined;
  const findKind = async (apiVersion: string, kind: string) =>
    (await listResources(send)).find((one) => groupPath(one) === apiVersion && one.kind === kind);
  return {
    knows: async (apiVersion, kind) => (await findKind(apiVersion, kind)) !== undefined,
    isReady: async () => (await send('GET', '/readyz').catch(() => undefined))?.status === 200,
    create: async (object) => {
      const resource = await findKind(object.apiVersion, object.kind);
      if (resource === undefined) throw new Error(`The API does not know ${object.apiVersion} ${object.kind}`);
      const { namespace } = object.metadata as { namespace?: string };
      await succeed(send, 'POST', pathOf(resource, namespace), object);
    },
    remove: async (resource, name, namespace) => {
      await succeed(send, 'DELETE', `${pathOf(resource, namespace)}/${name}`);
    },
    list: async (resource, namespace) => {
      const { items } = await succeed(send, 'GET', pathOf(resource, namespace));
      return items.map((item: ClusterObject) => ({ ...item, apiVersion: groupPath(resource), kind: resource.kind }));
    },
    resources: () => {
      resources ??= listResources(send);
      return resources;
    },
  };
}

function sender({ url, token, ca }: Options): Send {
  const agent = new Agent({ keepAlive: true, ca });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const sent = request(new URL(path, url), { method, agent, headers }, (response) => {
        text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
      });
      sent.once('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

async function succeed(send: Send, method: string, path: string, body?: unknown) {
  const answer = await send(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  return JSON.parse(answer.body);
}

const groupPath = ({ group, version }: Resource) => (group === '' ? version : `${group}/${version}`);

function pathOf(resource: Resource, namespace?: string): string {
  const base = resource.group === '' ? `/api/${resource.version}` : `/apis/${groupPath(resource)}`;
  return namespace === undefined || !resource.namespaced
    ? `${base}/${resource.name}`
    : `${base}/namespaces/${namespace}/${resource.name}`;
}

async function listResources(send: Send): Promise<Resource[]> {
  const { groups } = (await succeed(send, 'GET', '/apis')) as {
    groups: { name: string; preferredVersion: { version: string } }[];
  };
  const all = [{ name: '', preferredVersion: { version: 'v1' } }, ...groups];
  const lists = await Promise.all(all.map((one) => listGroup(send, one.name, one.preferredVersion.version)));
  return lists.flat();
}

async function listGroup(send: Send, group: string, version: string): Promise<Resource[]> {
  const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  // A group that was just defined may be listed before it is served.
  if (group !== '' && (await send('GET', path)).status === NOT_FOUND) return [];
  const { resources } = (await succeed(send, 'GET', path)) as {
    resources: { name: string; kind: string; namespaced: boolean; verbs: string[] }[];
  };
  return resources
    .filter(({ name, verbs }) => !name.includes('/') && verbs.includes('list') && verbs.includes('delete'))
    .map(({ name, kind, namespaced }) => ({ group, version, name, kind, namespaced }));
}
