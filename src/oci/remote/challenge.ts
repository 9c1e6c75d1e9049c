// Parses the WWW-Authenticate header of a registry (RFC 9110, section 11.6.1, and the token authentication of the
// distribution project).

export type Challenge = { scheme: 'basic' } | { scheme: 'bearer'; realm: string; service?: string; scope?: string };

const PARAMETER = /\s*([a-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*,?/iy;
const SCHEME = /\s*,?\s*([a-z0-9_-]+)(?:\s+|$|,)/iy;

/**
 * Returns the challenge that the client answers. A bearer challenge is preferred to a basic challenge. Returns undefined if
 * the header has neither.
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const challenges = [...challengesOf(header ?? '')];
  const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
  if (bearer !== undefined) {
    const { parameters } = bearer;
    const [service, scope] = [parameters.get('service'), parameters.get('scope')];
    return {
      scheme: 'bearer',
      realm: parameters.get('realm') ?? '',
      ...(service !== undefined && { service }),
      ...(scope !== undefined && { scope }),
    };
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : undefined;
}

function* challengesOf(header: string): Generator<{ scheme: string; parameters: Map<string, string> }> {
  let position = 0;
  for (;;) {
    SCHEME.lastIndex = position;
    const scheme = SCHEME.exec(header);
    if (scheme === null) {
      return;
    }
    position = SCHEME.lastIndex;
    const parameters = new Map<string, string>();
    for (;;) {
      PARAMETER.lastIndex = position;
      const found = PARAMETER.exec(header);
      if (found === null) {
        break;
      }
      position = PARAMETER.lastIndex;
      parameters.set((found[1] ?? '').toLowerCase(), found[3] ?? (found[2] ?? '').replace(/\\(.)/g, '$1'));
    }
    yield { scheme: (scheme[1] ?? '').toLowerCase(), parameters };
  }
}
