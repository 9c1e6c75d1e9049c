// Token exchange. The API token is sent as a parameter or in a form, under one of two names.
import { invalid, Rejection } from '../answer/problems.ts';
import { requireNoWait } from '../answer/rejections.ts';
import type { Handler } from '../handler.ts';
import { tokenRejection } from '../sign-in/authenticate.ts';

const exchangeToken: Handler<'exchangeToken'> = async ({ identity, request, reply }, input) => {
  const [token, second] = [input.api_token, input.refresh_token].filter((one) => one !== undefined);
  if (token === undefined) throw invalid([{ field: 'refresh_token', message: 'It is required.' }]);
  if (second !== undefined) throw invalid([{ field: 'api_token', message: 'Only one token should be given.' }]);
  const attempt = { address: request.ip, secret: token };
  requireNoWait(identity.failedLogins.waitBefore(attempt));
  try {
    // RFC 6749, section 5.1 requires this header.
    reply.header('cache-control', 'no-store');
    const answer = await identity.exchangeApiToken(token);
    identity.failedLogins.succeeded(attempt);
    return answer;
  } catch (error) {
    const rejection = tokenRejection(error);
    if (rejection instanceof Rejection) requireNoWait(identity.failedLogins.failed(attempt));
    throw rejection;
  }
};

export const tokenHandlers = { exchangeToken };
