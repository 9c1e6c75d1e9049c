// The handlers of the endpoints for API tokens.
import { getApiToken, issueApiToken, listApiTokens, revokeApiToken } from '../../identity/api-tokens.ts';
import { accessWriter, reader, writer } from '../handler.ts';

export const apiTokenHandlers = {
  listApiTokens: reader(listApiTokens),
  issueApiToken: writer(issueApiToken),
  getApiToken: reader(getApiToken),
  revokeApiToken: accessWriter(revokeApiToken),
};
