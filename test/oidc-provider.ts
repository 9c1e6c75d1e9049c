// A real identity provider on loopback, with its own pages for log-in and consent. Also a browser that fills in these pages.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

export type TestProvider = {
  issuer: string;
  /**
   * The id of the client that sends its secret in a header. There are two more clients: `posting`, with the same secret, and
   * `public`, without a secret.
   */
  clientId: string;
  clientSecret: string;
  /** The claims of people, by the name with which they log in. */
  people: Map<string, Record<string, unknown>>;
  /** Changes answers of the provider. If undefined, answers stay unchanged. */
  meddle: ((context: { path: string; body?: unknown }) => void) | undefined;
  /** The paths that were requested. */
  asked: string[];
  stop(): Promise<void>;
};

/** Starts a provider whose clients have this redirect address. */
export async function startTestProvider(redirectUri: string): Promise<TestProvider> {
  let listener: RequestListener = () => undefined;
  const server = createServer((request, response) => listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const client = { client_id: 'larder', client_secret: 'a secret of the client & more' };
  const people: TestProvider['people'] = new Map();
  const provider = new Provider(issuer, {
    clients: [
      { ...client, redirect_uris: [redirectUri] },
      {
        ...client,
        client_id: 'posting',
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: [redirectUri],
      },
      { client_id: 'public', token_endpoint_auth_method: 'none', redirect_uris: [redirectUri] },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'one' }] },
    cookies: { keys: ['a key of cookies'] },
    scopes: ['openid', 'email', 'profile'],
    claims: { email: ['email', 'email_verified'], profile: ['name', 'groups', 'tenant', 'realm_access'] },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...people.get(sub) }) }),
  });
  const one: TestProvider = {
    ...{ issuer, clientId: client.client_id, clientSecret: client.client_secret, people },
    ...{ meddle: undefined, asked: [] },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  provider.use(async (context, next) => {
    one.asked.push(context.path);
    await next();
    one.meddle?.(context);
  });
  listener = provider.callback();
  return one;
}

export type Page = {
  url: URL;
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
};

export type Browser = {
  /** The cookies by origin, and then by name. */
  cookies: Map<string, Map<string, string>>;
  /**
   * Opens an address and follows redirects. Stops before an address with the path `before`, and then returns the status 0.
   */
  open(address: string, before?: string): Promise<Page>;
  /** Posts a form, and then follows redirects like `open`. */
  post(address: string, form: Record<string, string>, before?: string): Promise<Page>;
};

/** Opens a browser. Requests to the origin go to the server that `serverFor` returns. Other requests use the network. */
export function openBrowser(origin: string, serverFor?: (path: string) => FastifyInstance): Browser {
  const cookies: Browser['cookies'] = new Map();
  const jarOf = (url: URL) => {
    const jar = cookies.get(url.origin) ?? new Map<string, string>();
    cookies.set(url.origin, jar);
    return jar;
  };
  const remember = (url: URL, lines: readonly string[]) => {
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0\b/i.test(line)) jarOf(url).delete(name);
      else jarOf(url).set(name, value);
    }
  };
  async function ask(url: URL, form?: Record<string, string>): Promise<Page> {
    const cookie = [...jarOf(url)].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { accept: 'text/html', ...(cookie && { cookie }) };
    if (url.origin === origin && serverFor !== undefined) {
      const path = url.pathname + url.search;
      const answer: LightMyRequestResponse = await serverFor(url.pathname).inject({
        ...{ method: 'GET', url: path },
        headers: { ...headers, host: url.host },
      });
      remember(url, [answer.headers['set-cookie'] ?? []].flat());
      return { url, status: answer.statusCode, headers: { ...answer.headers } as Page['headers'], text: answer.body };
    }
    const body = form && { method: 'POST', body: new URLSearchParams(form) };
    const answer = await fetch(url, { ...body, headers, redirect: 'manual' });
    remember(url, answer.headers.getSetCookie());
    return { url, status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() };
  }
  async function follow(first: URL, before: string | undefined, form?: Record<string, string>): Promise<Page> {
    let url = first;
    for (let turn = 0; turn < 10; turn++) {
      if (turn > 0 && url.pathname === before) return { url, status: 0, headers: {}, text: '' };
      const page = await ask(url, turn === 0 ? form : undefined);
      if (page.status < 300 || page.status >= 400) return page;
      url = new URL(String(page.headers['location']), url);
    }
    throw new Error(`Too many redirects, at last to ${url.origin}${url.pathname}`);
  }
  return {
    cookies,
    open: (address, before) => follow(new URL(address), before),
    post: (address, form, before) => follow(new URL(address), before, form),
  };
}

/**
 * Logs in at the provider's pages, from the start at Larder to the last page. With `before`, stops before the redirect to
 * this path.
 */
export async function logIn(
  browser: Browser,
  begin: string,
  { as, before }: { as: string; before?: string },
): Promise<Page> {
  let page = await browser.open(begin, before);
  // The provider asks for a log-in, unless it knows the person by a cookie. It asks for consent once.
  for (let turn = 0; turn < 2 && page.status === 200; turn++) {
    const action = /<form[^>]+action="([^"]+)"/.exec(page.text)?.[1];
    const prompt = /name="prompt" value="(\w+)"/.exec(page.text)?.[1];
    if (action === undefined || prompt === undefined) break;
    const form = { prompt, login: as, password: 'x' };
    page = await browser.post(new URL(action, page.url).href, form, before);
  }
  return page;
}
