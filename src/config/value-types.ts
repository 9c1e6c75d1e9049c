// The types of values of settings. Each describes the allowed values. Its error says what is wrong with a value, but does not
// contain the value.
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { SettingFault, type ValueType } from './setting.ts';

/**
 * A host name: labels of letters, digits, `-` and `_`, joined by dots (RFC 1123, section 2.1). `_` is allowed because
 * resolvers accept it.
 */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i;

export const text: ValueType<string> = { expects: 'text', parse: (given) => given };

/** The path of a file or folder. The value is an absolute path. */
export const path: ValueType<string> = { expects: 'a path', parse: (given, directory) => resolve(directory, given) };

/** A whole number in decimal digits. */
export function wholeNumber(min: number, max: number): ValueType<number> {
  return {
    expects: `a whole number from ${min} to ${max}`,
    parse(given) {
      if (!/^\d+$/.test(given)) throw new SettingFault('is not a whole number');
      const number = Number(given);
      if (number < min) throw new SettingFault(`is less than ${min}`);
      if (number > max) throw new SettingFault(`is more than ${max}`);
      return number;
    },
  };
}

/** One of these words, in upper or lower case. */
export function oneOf<Word extends string>(words: readonly Word[]): ValueType<Word> {
  return {
    expects: `one of ${words.join(', ')}`,
    parse(given) {
      const word = words.find((one) => one.toLowerCase() === given.toLowerCase());
      if (word === undefined) throw new SettingFault('is not a known word');
      return word;
    },
  };
}

export const onOrOff: ValueType<boolean> = {
  expects: 'on or off',
  parse(given) {
    if (given !== 'on' && given !== 'off') throw new SettingFault('is neither on nor off');
    return given === 'on';
  },
};

/** An address or name to listen on. An IPv6 address is returned without brackets. */
export const host: ValueType<string> = {
  expects: 'an IP address (127.0.0.1, ::1) or a host name, without a port',
  parse(given) {
    const bare = /^\[(.*)\]$/.exec(given)?.[1] ?? given;
    if (isIP(bare) !== 0) return bare;
    if (given.includes('://')) throw new SettingFault('is a URL');
    if (/:\d+$/.test(given)) throw new SettingFault('contains a port');
    if (bare !== given || !HOST_NAME.test(given)) throw new SettingFault('is neither an address nor a host name');
    return given;
  },
};

type UrlRules = {
  schemes: readonly string[];
  /** The parts that the URL may have in addition to scheme, host and port. */
  parts?: readonly ('user' | 'path' | 'query' | 'fragment')[];
};

/** Parses a URL. Throws SettingFault if it has another scheme or a part that is not allowed. */
export function parseUrl(given: string, { schemes, parts = [] }: UrlRules): URL {
  const url = URL.parse(given);
  if (url === null) throw new SettingFault('is not a URL');
  const names = schemes.map((scheme) => `${scheme}://`).join(' or ');
  if (!schemes.includes(url.protocol.slice(0, -1))) throw new SettingFault(`does not begin with ${names}`);
  const found = {
    user: url.username !== '' || url.password !== '',
    path: url.pathname !== '' && url.pathname !== '/',
    query: url.search !== '',
    fragment: url.hash !== '',
  };
  const partNames = { user: 'a user name or password', path: 'a path', query: 'a query', fragment: 'a fragment' };
  for (const part of ['user', 'path', 'query', 'fragment'] as const) {
    if (found[part] && !parts.includes(part)) throw new SettingFault(`contains ${partNames[part]}`);
  }
  return url;
}

/** The origin of an http or https URL. It has no path, because clients of a registry append /v2/ to the host. */
export const origin: ValueType<string> = {
  expects: 'a URL like https://larder.example.org:8443, without a path',
  parse: (given) => parseUrl(given, { schemes: ['http', 'https'] }).origin,
};

export const proxyUrl: ValueType<string> = {
  expects: 'a URL like http://proxy.example.org:3128',
  parse(given) {
    parseUrl(given, { schemes: ['http', 'https'], parts: ['user', 'path', 'query', 'fragment'] });
    return given;
  },
};

export const databaseUrl: ValueType<string> = {
  expects: 'a URL like postgresql://user:password@host:5432/larder',
  parse(given) {
    const parts = ['user', 'path', 'query', 'fragment'] as const;
    const url = parseUrl(given, { schemes: ['postgresql', 'postgres'], parts });
    if (url.searchParams.has('uselibpqcompat')) return given;
    // pg treats each of these modes like verify-full, but warns that this will change. With verify-full, it does not warn.
    return given.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=[&#]|$)/, '$1verify-full');
  },
};

export const smtpUrl: ValueType<string> = {
  expects: 'a URL like smtp://user:password@mail.example.org:587 or smtps://mail.example.org',
  parse(given) {
    const url = parseUrl(given, { schemes: ['smtp', 'smtps'], parts: ['user'] });
    if (url.hostname === '') throw new SettingFault('contains no host');
    if (!isDecodable(url.username) || !isDecodable(url.password)) {
      throw new SettingFault('contains a % that is not the start of an escape like %40');
    }
    return given;
  },
};

function isDecodable(given: string): boolean {
  try {
    decodeURIComponent(given);
    return true;
  } catch {
    return false;
  }
}

export const mailAddress: ValueType<string> = {
  expects: 'an address like larder@example.org or Larder <larder@example.org>',
  parse(given) {
    if (!/^([^<>"@,;\r\n]+ <[^\s<>@]+@[A-Za-z0-9.-]+>|[^\s<>@,;]+@[A-Za-z0-9.-]+)$/.test(given)) {
      throw new SettingFault('is not a mail address');
    }
    return given;
  },
};

/**
 * A list of items with commas between them. Spaces around items are ignored, and so are empty items. `parseItem` may throw
 * SettingFault.
 */
export function listOf<T>(expects: string, parseItem: (item: string) => T): ValueType<readonly T[]> {
  return {
    expects: `${expects}, separated by commas`,
    parse(given) {
      const items = given.split(',').map((item) => item.trim());
      return Object.freeze(items.filter((item) => item !== '').map((item, at) => inItem(at, () => parseItem(item))));
    },
  };
}

/** Runs `parse`. If it throws SettingFault, adds the number of the item. The first item is 1. */
function inItem<T>(at: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SettingFault)) throw error;
    throw new SettingFault(`has a fault: item ${at + 1} ${error.message}`);
  }
}

export const hosts = listOf('addresses, networks and names like 10.0.0.0/8', (item) => item);

/**
 * A list of addresses and networks. The network of all addresses is rejected. If all clients were trusted proxies, any client
 * could claim any address.
 */
export const networks = listOf('addresses and networks like 10.0.0.0/8', (item) => {
  const [address = '', prefix, ...more] = item.split('/');
  const version = isIP(address);
  const bits = prefix === undefined ? 128 : Number(prefix);
  const fits = prefix === undefined || (/^\d{1,3}$/.test(prefix) && bits <= (version === 4 ? 32 : 128));
  if (version === 0 || more.length > 0 || !fits) throw new SettingFault('is neither an address nor a network');
  if (bits === 0) throw new SettingFault('contains every address, so that any client could claim any address');
  return item;
});

export const origins = listOf('origins like https://catalog.example.org', (item) => {
  if (parseUrl(item, { schemes: ['http', 'https'] }).origin !== item) {
    throw new SettingFault(
      'is not written as an origin: scheme, host and port, in lower case and without a trailing slash',
    );
  }
  return item;
});
