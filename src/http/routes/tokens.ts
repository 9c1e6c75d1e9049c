// Token exchange: the API token comes as a parameter or in a form, under either of its names.
import { tokenRefusal } from '../authenticate.ts';
import type { Handler } from '../handler.ts';
import { invalid, Refusal } from '../problems.ts';
import { type TokenAttempts, tokenAttempts } from '../token-attempts.ts';

const attempts: TokenAttempts = tokenAttempts();

const exchangeToken: Handler<'exchangeToken'> = async ({ identity, request, reply }, input) => {
  const [token, second] = [input.api_token, input.refresh_token].filter((one) => one !== undefined);
  if (token === undefined) throw invalid([{ field: 'refresh_token', message: 'It is required.' }]);
  if (second !== undefined) throw invalid([{ field: 'api_token', message: 'Only one token should be given.' }]);
  attempts.require(request.ip);
  try {
    // RFC 6749, section 5.1.
    reply.header('cache-control', 'no-store');
    return await identity.exchangeApiToken(token);
  } catch (error) {
    const refusal = tokenRefusal(error);
    if (refusal instanceof Refusal) attempts.fail(request.ip);
    throw refusal;
  }
};

export const tokenHandlers = { exchangeToken };
