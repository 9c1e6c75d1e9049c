// Log-in of people for tests: a real identity provider, an API, servers with settings, and browsers.
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll } from 'vitest';
import { createEgress } from '../src/egress/egress.ts';
import { buildServer } from '../src/http/server.ts';
import type { ServerParts } from '../src/http/server-parts.ts';
import { type IdentityOptions, openIdentity } from '../src/identity/identity.ts';
import type { OidcSettings } from '../src/identity/oidc-settings.ts';
import { giveInstallation, openTestApi, type TestApi } from './api.ts';
import { type Browser, logIn, openBrowser, type Page, startTestProvider, type TestProvider } from './oidc-provider.ts';

/** The origin of a proxy with TLS in front of the server, so that cookies are set as for https. */
export const ORIGIN = 'https://larder.test';
export const BEGIN = `${ORIGIN}/larder/v1/sign-in/oidc`;
export const CALLBACK = '/larder/v1/sign-in/oidc/callback';
/** The path to which people return after the log-in. Its answer shows the caller. */
export const HOME = '/larder/v1/session';

type Person = { claims?: Record<string, unknown>; before?: string; returnTo?: string; browser?: Browser };
type Who = { user: { id: string; name: string }; role: string; organization: { id: string } };

export type TestSignIn = {
  provider: TestProvider;
  api: TestApi;
  /** Starts another server of the same installation. `changed` replaces settings of the provider. */
  startServer(changed?: Partial<OidcSettings>, options?: IdentityOptions): Promise<FastifyInstance>;
  /** Logs in with a name, from BEGIN to the last page. `who` is the answer of HOME to the same browser. */
  enter(server: FastifyInstance, as: string, person?: Person): Promise<{ browser: Browser; page: Page; who: Who }>;
  /** Returns the row of the user who is connected to the provider's account with this name. */
  userOf(subject: string): Promise<Record<string, unknown> | undefined>;
  close(): Promise<void>;
};

/** Opens a TestSignIn before the tests of a file, and closes it after them. Its members exist when the first test begins. */
export function signInOfFile(): TestSignIn {
  const signIn = {} as TestSignIn;
  beforeAll(async () => {
    Object.assign(signIn, await openTestSignIn());
  }, 60_000);
  afterAll(() => signIn.close());
  return signIn;
}

export async function openTestSignIn(): Promise<TestSignIn> {
  const provider = await startTestProvider(ORIGIN + CALLBACK);
  const egress = createEgress({ allow: ['127.0.0.1'] });
  const servers: FastifyInstance[] = [];
  let parts: ServerParts | undefined;
  const build = (given: ServerParts) => {
    parts = { ...given, publicUrl: ORIGIN };
    return buildServer(parts);
  };
  const api = await openTestApi({ build });
  await giveInstallation(api);
  const { issuer, clientId, clientSecret } = provider;
  const ours = { issuer, clientId, clientSecret, scopes: ['openid', 'email', 'profile'] };
  return {
    provider,
    api,
    async startServer(changed = {}, options = {}) {
      const { clientSecret: _, ...withoutSecret } = ours;
      const base = changed.clientId === 'public' ? withoutSecret : ours;
      const oidc = { ...base, roleValues: {}, emailDomains: [], ...changed };
      const identity = await openIdentity(api.database.db, api.key, { oidc, egress, ...options });
      const server = buildServer({ ...(parts as ServerParts), identity });
      servers.push(server);
      await server.ready();
      return server;
    },
    async enter(server, as, person = {}) {
      provider.people.set(as, person.claims ?? { name: as });
      const browser = person.browser ?? openBrowser(ORIGIN, () => server);
      const { returnTo = HOME, before } = person;
      const begin = `${BEGIN}?return_to=${encodeURIComponent(returnTo)}`;
      const page = await logIn(browser, begin, { as, ...(before !== undefined && { before }) });
      return { browser, page, who: page.status === 200 ? JSON.parse(page.text) : undefined };
    },
    async userOf(subject) {
      const { rows } = await api.database.pool.query(
        'select u.* from users u join oidc_accounts a on a.user_id = u.id where a.subject = $1',
        [subject],
      );
      return rows[0];
    },
    async close() {
      for (const server of servers) await server.close();
      await api.close();
      egress.close();
      await provider.stop();
    },
  };
}

/** Returns the title of a page. */
export function titleOf(text: string): string | undefined {
  return /<h1>(.*)<\/h1>/.exec(text)?.[1];
}

/** Returns the secret of a browser's session. */
export function sessionOf(browser: Browser): string | undefined {
  return browser.cookies.get(ORIGIN)?.get('__Host-larder-session');
}

/** Returns the cookies that a browser sends to Larder. */
export function cookieOf(browser: Browser): string {
  return [...(browser.cookies.get(ORIGIN) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
}
